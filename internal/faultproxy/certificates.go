package faultproxy

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"net"
	"testing"
	"time"
)

// Authority is a certificate authority.
type Authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

// Leaf describes a server certificate. The zero value is valid for the loopback
// address, for a day.
type Leaf struct {
	// Name is a DNS name instead of the loopback address.
	Name string
	// Expired makes the certificate expire a day ago.
	Expired bool
}

// NewAuthority returns a new authority, which no client trusts yet.
func NewAuthority(tb testing.TB) *Authority {
	tb.Helper()
	template := &x509.Certificate{
		Subject: pkix.Name{CommonName: "An authority"}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign,
	}
	a := &Authority{key: newKey(tb)}
	a.certificate = a.sign(tb, template, template, &a.key.PublicKey)
	return a
}

// Pool returns a pool with the authority's certificate.
func (a *Authority) Pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(a.certificate)
	return pool
}

// Server returns the TLS configuration of a server with a certificate of this
// authority.
func (a *Authority) Server(tb testing.TB, leaf Leaf) *tls.Config {
	tb.Helper()
	template := &x509.Certificate{
		Subject: pkix.Name{CommonName: "A server"}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		KeyUsage: x509.KeyUsageDigitalSignature,
	}
	if leaf.Name != "" {
		template.DNSNames = []string{leaf.Name}
	} else {
		template.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1)}
	}
	if leaf.Expired {
		template.NotAfter = time.Now().Add(-24 * time.Hour)
	}
	key := newKey(tb)
	signed := a.sign(tb, template, a.certificate, &key.PublicKey)
	return &tls.Config{
		Certificates: []tls.Certificate{{Certificate: [][]byte{signed.Raw}, PrivateKey: key}},
		MinVersion:   tls.VersionTLS12,
	}
}

// sign signs a template. Without NotAfter the certificate is valid for a day.
func (a *Authority) sign(tb testing.TB, template, parent *x509.Certificate, public *ecdsa.PublicKey) *x509.Certificate {
	tb.Helper()
	template.SerialNumber = big.NewInt(time.Now().UnixNano())
	template.NotBefore = time.Now().Add(-48 * time.Hour)
	if template.NotAfter.IsZero() {
		template.NotAfter = time.Now().Add(24 * time.Hour)
	}
	raw, err := x509.CreateCertificate(rand.Reader, template, parent, public, a.key)
	if err != nil {
		tb.Fatal(err)
	}
	signed, err := x509.ParseCertificate(raw)
	if err != nil {
		tb.Fatal(err)
	}
	return signed
}

func newKey(tb testing.TB) *ecdsa.PrivateKey {
	tb.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		tb.Fatal(err)
	}
	return key
}
