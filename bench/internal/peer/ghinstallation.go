package peer

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"net/http"
	"sync"

	"github.com/bradleyfalzon/ghinstallation/v2"

	"github.com/agsauth/agsauth/bench/internal/impl"
)

// github is ghinstallation, which makes its own calls: to the same endpoint, which
// tells it an expiry such that it refreshes when the others do.
type github struct {
	*ghinstallation.Transport
	base *swap
}

// swap is a base that can be changed, as ghinstallation's own cannot: to its last
// base when it has got its token.
type swap struct{ http.RoundTripper }

// key is made once: making it is slow, and not what is measured.
var key = sync.OnceValues(func() ([]byte, error) {
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(k)}), nil
})

func ghinstallationImplementation() impl.Implementation {
	return impl.Implementation{
		Name: "ghinstallation",
		New: func(s impl.Setup) (impl.Instance, error) {
			pemKey, err := key()
			if err != nil {
				return nil, err
			}
			base := &swap{http.DefaultTransport}
			t, err := ghinstallation.New(base, 1, 1, pemKey)
			if err != nil {
				return nil, err
			}
			t.BaseURL = s.URL
			return github{t, base}, nil
		},
		Wrap: func(in impl.Instance, base http.RoundTripper) impl.Sender {
			g := in.(github)
			g.base.RoundTripper = base
			return g.RoundTrip
		},
	}
}

func (g github) Get(ctx context.Context) (string, error) { return g.Token(ctx) }
func (g github) Close()                                  {}
func (g github) Loop(ctx context.Context, n int) {
	for range n {
		_, _ = g.Token(ctx)
	}
}
