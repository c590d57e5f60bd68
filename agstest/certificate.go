package agstest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"strings"
	"time"
)

// certificateLifetime is below what any client accepts at most.
const certificateLifetime = 397 * 24 * time.Hour

// Certificate is the certificate of a server, its key, and the authority that a client
// must trust. All are in PEM, as files of certificates are.
type Certificate struct {
	// CA is the certificate of the authority.
	CA []byte
	// Cert and Key are the certificate of the server, with those between it and the
	// authority, and its private key.
	Cert, Key []byte
}

// NewCertificate makes an authority for this one call, and a certificate of it for the
// given host names and IP addresses; if there are none, for localhost, 127.0.0.1 and
// ::1. It is valid from an hour ago, for 397 days. In a synctest bubble, call it inside
// the bubble, whose time is another.
func NewCertificate(hosts ...string) (*Certificate, error) {
	if len(hosts) == 0 {
		hosts = []string{"localhost", "127.0.0.1", "::1"}
	}
	now := time.Now()
	ca := certificateTemplate("agstest authority", now)
	ca.IsCA, ca.BasicConstraintsValid = true, true
	ca.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature
	leaf := certificateTemplate("agstest server", now)
	leaf.KeyUsage = x509.KeyUsageDigitalSignature
	leaf.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	for _, host := range hosts {
		if ip := net.ParseIP(host); ip != nil {
			leaf.IPAddresses = append(leaf.IPAddresses, ip)
		} else {
			leaf.DNSNames = append(leaf.DNSNames, host)
		}
	}
	return sign(ca, leaf)
}

func certificateTemplate(name string, now time.Time) *x509.Certificate {
	return &x509.Certificate{
		SerialNumber: new(big.Int).SetBytes([]byte(rand.Text())),
		Subject:      pkix.Name{CommonName: name},
		NotBefore:    now.Add(-time.Hour),
		NotAfter:     now.Add(certificateLifetime),
	}
}

// sign makes the keys of both certificates. That of the authority is not kept.
func sign(ca, leaf *x509.Certificate) (*Certificate, error) {
	caKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("agstest: make a key: %w", err)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("agstest: make a key: %w", err)
	}
	caDER, err := x509.CreateCertificate(rand.Reader, ca, ca, &caKey.PublicKey, caKey)
	if err != nil {
		return nil, fmt.Errorf("agstest: make the authority: %w", err)
	}
	leafDER, err := x509.CreateCertificate(rand.Reader, leaf, ca, &key.PublicKey, caKey)
	if err != nil {
		return nil, fmt.Errorf("agstest: make the certificate: %w", err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("agstest: encode the key: %w", err)
	}
	return &Certificate{
		CA:   pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: caDER}),
		Cert: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: leafDER}),
		Key:  pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}),
	}, nil
}

// Pool returns a pool with the authority alone, for the RootCAs of a client.
func (c *Certificate) Pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(c.CA)
	return pool
}

// Check returns an error if a client that trusts the authority would not accept the
// certificate for one of the hosts at this time, or if the key is not that of the
// certificate. Without hosts, their names are not checked.
func (c *Certificate) Check(at time.Time, hosts ...string) error {
	pair, err := c.pair()
	if err != nil {
		return err
	}
	between := x509.NewCertPool()
	for _, der := range pair.Certificate[1:] {
		if cert, err := x509.ParseCertificate(der); err == nil {
			between.AddCert(cert)
		}
	}
	_, err = pair.Leaf.Verify(x509.VerifyOptions{Roots: c.Pool(), Intermediates: between, CurrentTime: at})
	if err != nil {
		return fmt.Errorf("agstest: certificate: %w", err)
	}
	for _, host := range hosts {
		if err := pair.Leaf.VerifyHostname(host); err != nil {
			return fmt.Errorf("agstest: certificate: %w", err)
		}
	}
	return nil
}

func (c *Certificate) pair() (tls.Certificate, error) {
	pair, err := tls.X509KeyPair(c.Cert, c.Key)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("agstest: certificate: %w", err)
	}
	return pair, nil
}

// configs returns the TLS configurations of a server with this certificate and of the
// clients that trust it, or nil if c is nil. The clients accept it for every host: they
// connect all hosts to the server.
func (c *Certificate) configs() (server, client *tls.Config, err error) {
	if c == nil {
		return nil, nil, nil
	}
	pair, err := c.pair()
	if err != nil {
		return nil, nil, err
	}
	names := pair.Leaf.DNSNames
	for _, ip := range pair.Leaf.IPAddresses {
		names = append(names, ip.String())
	}
	if len(names) == 0 {
		return nil, nil, errors.New("agstest: the certificate has neither a host name nor an IP address")
	}
	server = &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"}}
	name := strings.Replace(names[0], "*", "agstest", 1)
	client = &tls.Config{RootCAs: c.Pool(), ServerName: name, MinVersion: tls.VersionTLS12}
	return server, client, nil
}
