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

// github is ghinstallation, which makes its own calls. It calls the same endpoint. The
// endpoint gives it an expiry that makes it refresh when the others do.
type github struct {
	*ghinstallation.Transport
	base *replaceableBase
}

// replaceableBase is a base that Wrap can replace once the token has been fetched, as
// ghinstallation cannot change its own.
type replaceableBase struct{ http.RoundTripper }

// key generates the key once, because this is slow and is not measured.
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
			base := &replaceableBase{http.DefaultTransport}
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
