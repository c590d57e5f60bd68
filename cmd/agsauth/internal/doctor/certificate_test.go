package doctor_test

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/agstest"
	"github.com/agsauth/agsauth/cmd/agsauth/internal/doctor"
	"github.com/agsauth/agsauth/internal/faultproxy"
)

// withCertificate has the gateway answer over TLS, with a certificate of an authority.
// trusted are the authorities of the profile.
func withCertificate(t *testing.T, p *patient, config *tls.Config, trusted *x509.CertPool) {
	t.Helper()
	server := httptest.NewUnstartedServer(p.gateway.Handler())
	server.TLS = config
	server.Config.ErrorLog = discardLog()
	server.StartTLS()
	t.Cleanup(server.Close)
	p.cfg.Settings.Gateway = server.URL
	p.cfg.Transport = &http.Transport{TLSClientConfig: &tls.Config{RootCAs: trusted, MinVersion: tls.VersionTLS12}}
	p.connect()
}

// Each fault of a certificate has a hint of its own, and the clock is compared all the
// same. The gateway is not asked for its services.
func TestRun_Certificate(t *testing.T) {
	authority := faultproxy.NewAuthority(t)
	tests := []struct {
		name       string
		leaf       faultproxy.Leaf
		trusted    *x509.CertPool
		text, hint []string
	}{
		{"expired", faultproxy.Leaf{Expired: true}, authority.Pool(), []string{"has expired on "}, []string{"has to renew it"}},
		{
			"other host",
			faultproxy.Leaf{Name: "gateway.example"},
			authority.Pool(),
			[]string{"is for gateway.example and not for 127.0.0.1"},
			[]string{"set gateway to a URL with an address that the certificate has"},
		},
		{
			"unknown authority",
			faultproxy.Leaf{},
			faultproxy.NewAuthority(t).Pool(),
			[]string{`is issued by "An authority", which this machine does not trust`},
			[]string{"set ca-file to its certificate"},
		},
		{
			"all of it",
			faultproxy.Leaf{Name: "gateway.example", Expired: true},
			x509.NewCertPool(),
			[]string{"has expired", "is for gateway.example", "is issued by"},
			[]string{"renew", "set gateway", "set ca-file"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := newPatient(t, agstest.Config{})
			p.signOnToFile()
			withCertificate(t, p, authority.Server(t, tt.leaf), tt.trusted)
			results := p.examine()
			assertLevels(t, results, map[string]doctor.Level{"certificate": doctor.Failure})
			for _, text := range tt.text {
				assert.Contains(t, results["certificate"].Text, text)
			}
			for _, hint := range tt.hint {
				assert.Contains(t, results["certificate"].Hint, hint)
			}
			assert.Equal(t, doctor.OK, results["clock"].Level)
			assert.Equal(t, doctor.Skipped, results["gateway"].Level)
			assert.Zero(t, p.gateway.Count(agstest.Discovery))
		})
	}
}

func TestRun_ValidCertificate(t *testing.T) {
	certificate, err := agstest.NewCertificate()
	require.NoError(t, err)
	p := newPatient(t, agstest.Config{Certificate: certificate})
	p.cfg.Transport = &http.Transport{TLSClientConfig: &tls.Config{RootCAs: certificate.Pool(), MinVersion: tls.VersionTLS12}}
	p.connect()
	p.signOnToFile()
	results := p.examine()
	assertLevels(t, results, map[string]doctor.Level{})
	assert.Contains(t, results["certificate"].Text, "valid until ")
	assert.Equal(t, doctor.OK, results["gateway"].Level)
}

// The certificate of this test expires in a day, and its life is of three.
func TestRun_CertificateNearItsEnd(t *testing.T) {
	authority := faultproxy.NewAuthority(t)
	p := newPatient(t, agstest.Config{})
	p.signOnToFile()
	withCertificate(t, p, authority.Server(t, faultproxy.Leaf{}), authority.Pool())
	results := p.examine()
	assertLevels(t, results, map[string]doctor.Level{})
	p.cfg.Clock = later(20)
	results = p.examine()
	assert.Equal(t, doctor.Warning, results["certificate"].Level)
	assert.Contains(t, results["certificate"].Text, "expires in 3 h, on ")
	assert.Equal(t, doctor.OK, results["gateway"].Level, "a warning does not prevent the other checks")
}

func TestRun_NoTLS(t *testing.T) {
	p := newPatient(t, agstest.Config{})
	p.signOnToFile()
	p.cfg.Settings.Gateway = "https://" + p.gateway.Addr().String()
	results := p.examine()
	assertLevels(t, results, map[string]doctor.Level{"certificate": doctor.Failure})
	assert.Contains(t, results["certificate"].Text, "does not speak the TLS")
	assert.Equal(t, doctor.Skipped, results["clock"].Level)
}

// A gateway that accepts a connection and closes it, as a firewall does.
func TestRun_Firewall(t *testing.T) {
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			_ = conn.Close()
		}
	}()
	t.Cleanup(func() { _ = listener.Close(); <-done })
	p := newPatient(t, agstest.Config{})
	p.signOnToFile()
	p.cfg.Settings.Gateway = "https://" + listener.Addr().String()
	assertLevels(t, p.examine(), map[string]doctor.Level{"certificate": doctor.Failure})
	p.cfg.Settings.Gateway = "http://" + listener.Addr().String()
	assertLevels(t, p.examine(), map[string]doctor.Level{"gateway": doctor.Failure})
}
