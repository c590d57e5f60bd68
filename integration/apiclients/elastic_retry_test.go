package apiclients_test

import (
	"net/http"
	"testing"

	"github.com/elastic/elastic-transport-go/v8/elastictransport"
	"github.com/elastic/go-elasticsearch/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/integration/internal/harness"
	"github.com/agsauth/agsauth/tokensource"
)

func notFinal(_ *http.Request, err error) bool { return !tokensource.IsFinal(err) }

// roundTripperFunc is an http.RoundTripper.
type roundTripperFunc func(*http.Request) (*http.Response, error)

// RoundTrip implements [http.RoundTripper].
func (f roundTripperFunc) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

// The client retries every error three times by default.
func TestElastic_FinalErrorsAreNotRetried(t *testing.T) {
	for name, of := range map[string]struct {
		retry    func(*http.Request, error) bool
		attempts int
	}{
		"by default":   {nil, 4},
		"with IsFinal": {notFinal, 1},
	} {
		t.Run(name, func(t *testing.T) {
			e := harness.NewEnv(t)
			srv := serve(t, e, elasticAPI())
			attempts, ours := 0, over(e, srv)
			client, err := elasticsearch.New(
				elasticsearch.WithAddresses(srv.URL),
				elasticsearch.WithTransportOptions(
					elastictransport.WithRetryOnError(of.retry),
					elastictransport.WithTransport(roundTripperFunc(func(req *http.Request) (*http.Response, error) {
						attempts++
						return ours.RoundTrip(req)
					})),
				),
			)
			require.NoError(t, err)
			e.EndSession()
			_, err = client.Info(client.Info.WithContext(t.Context()))
			require.ErrorIs(t, err, tokensource.ErrLoginRequired)
			assert.Equal(t, of.attempts, attempts)
		})
	}
}
