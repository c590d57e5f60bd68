//go:build unix

package main

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"time"
)

// runServer serves refreshes over HTTP/1.1 and HTTP/2, and reports its usage for each
// line of in, until in ends.
func runServer(in io.Reader, out io.Writer) error {
	certificate, err := newCertificate()
	if err != nil {
		return err
	}
	var connections atomic.Int64
	hello := greeting{Certificate: base64.StdEncoding.EncodeToString(certificate.Certificate[0])}
	if hello.HTTP1, err = serve(certificate, "http/1.1", &connections); err != nil {
		return err
	}
	if hello.HTTP2, err = serve(certificate, "h2", &connections); err != nil {
		return err
	}
	encoder := json.NewEncoder(out)
	if err := encoder.Encode(hello); err != nil {
		return err
	}
	lines := bufio.NewScanner(in)
	for lines.Scan() {
		if err := encoder.Encode(usage{CPU: processorTime(), Connections: int(connections.Load())}); err != nil {
			return err
		}
	}
	return lines.Err()
}

// serve starts a server with one protocol and returns its base URL. It counts the
// connections.
func serve(certificate tls.Certificate, protocol string, connections *atomic.Int64) (string, error) {
	listener, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	var protocols http.Protocols
	protocols.SetHTTP1(protocol == "http/1.1")
	protocols.SetHTTP2(protocol == "h2")
	srv := &http.Server{
		Handler: http.HandlerFunc(refresh), Protocols: &protocols, ReadHeaderTimeout: time.Minute,
		TLSConfig: &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS13},
		ErrorLog:  log.New(io.Discard, "", 0), // a client may close its connection at any time
		ConnState: func(_ net.Conn, state http.ConnState) {
			if state == http.StateNew {
				connections.Add(1)
			}
		},
	}
	go func() { _ = srv.ServeTLS(listener, "", "") }()
	return "https://" + listener.Addr().String(), nil
}

// refresh answers with tokens of the usual length.
func refresh(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	w.Header().Set("Content-Type", "application/json")
	_, _ = io.WriteString(w, answer)
}

var answer = `{"access_token":"` + strings.Repeat("a", 900) + `","refresh_token":"` + strings.Repeat("r", 700) + `","client_id":"PUB_989",` +
	`"accountId":"1663","token_type":"bearer","expires_in":3600,"refresh_expires_in":172800,"fixed_refresh_expires_in":2592000}`

// newCertificate returns a certificate for the loopback address.
func newCertificate() (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, err
}
