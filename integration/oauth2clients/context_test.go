package oauth2clients_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"

	"github.com/agsauth/agsauth/integration/internal/harness"
	"github.com/agsauth/agsauth/transport"
)

// A library that takes its client from the context may send requests of its own with it.
func TestHTTPClientInContext_SendsTheTokenToEveryHost(t *testing.T) {
	assert.Contains(t, authorizationOfExchange(t, nil), "Bearer ")
}

func TestHTTPClientInContext_AllowHostsWithholdsTheToken(t *testing.T) {
	assert.Empty(t, authorizationOfExchange(t, []string{"api.example.com"}))
}

// authorizationOfExchange exchanges a code at the token endpoint of another service, and
// returns the Authorization that the endpoint received.
func authorizationOfExchange(t *testing.T, allowHosts []string) string {
	t.Helper()
	e := harness.NewEnv(t)
	received := make(chan string, 1)
	other := harness.NewServer(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		received <- r.Header.Get("Authorization")
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(`{"access_token":"other","token_type":"bearer"}`))
	}))
	ours := &transport.Transport{Source: e.Source, Base: other.Client().Transport, AllowHosts: allowHosts}
	config := oauth2.Config{ClientID: "id", Endpoint: oauth2.Endpoint{TokenURL: other.URL, AuthStyle: oauth2.AuthStyleInParams}}
	_, err := config.Exchange(withClient(&http.Client{Transport: ours}), "code")
	require.NoError(t, err)
	return <-received
}
