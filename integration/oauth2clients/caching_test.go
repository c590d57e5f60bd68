package oauth2clients_test

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"

	"github.com/agsauth/agsauth/ags"
	"github.com/agsauth/agsauth/agstest"
	"github.com/agsauth/agsauth/tokensource"
	"github.com/agsauth/agsauth/transport"
)

const (
	// ageing is the age of a token that is due for a refresh and has not expired.
	ageing = 58 * time.Minute
	// toExpiry is how long an ageing token has still to live.
	toExpiry = 2*time.Minute + time.Second
	// refreshTakes is how long the gateway needs for a refresh.
	refreshTakes = time.Second
)

func TestTransport_RefreshesAheadOfTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv, session := inMemory(t)
		client := &http.Client{Transport: &transport.Transport{Source: session, Base: srv.Client().Transport}}
		getTwice(t, srv, client)
		assert.Equal(t, 1, srv.Count(agstest.Refresh))
		assert.Zero(t, waitAfterExpiry(t, srv, client))
	})
}

func TestReuseTokenSource_InsideTransportLosesRefreshAhead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv, session := inMemory(t)
		source := oauth2.ReuseTokenSource(nil, session)
		client := &http.Client{Transport: &transport.Transport{Source: source, Base: srv.Client().Transport}}
		getTwice(t, srv, client)
		assert.Zero(t, srv.Count(agstest.Refresh))
		assert.Equal(t, refreshTakes, waitAfterExpiry(t, srv, client))
		assert.Equal(t, 1, srv.Count(agstest.Refresh))
	})
}

func TestNewClient_LosesRefreshAhead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv, session := inMemory(t)
		client := oauth2.NewClient(withClient(srv.Client()), session)
		getTwice(t, srv, client)
		assert.Zero(t, srv.Count(agstest.Refresh))
		assert.Equal(t, refreshTakes, waitAfterExpiry(t, srv, client))
	})
}

func TestNewClient_NoticesASignOutWhenItsTokenExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv, session := inMemory(t)
		client := oauth2.NewClient(withClient(srv.Client()), session)
		require.NoError(t, get(t, srv, client))
		require.NoError(t, session.SignOut(t.Context()))
		require.NoError(t, get(t, srv, client))
		time.Sleep(ageing + toExpiry)
		require.ErrorIs(t, get(t, srv, client), tokensource.ErrLoginRequired)
		assert.Equal(t, 2, srv.Count(agstest.API))
	})
}

// getTwice makes a request with a new token and one with the same token near its expiry,
// and lets a refresh end that was started for it.
func getTwice(t *testing.T, srv *agstest.Server, client *http.Client) {
	t.Helper()
	require.NoError(t, get(t, srv, client))
	time.Sleep(ageing)
	require.NoError(t, get(t, srv, client))
	time.Sleep(refreshTakes)
	synctest.Wait()
}

// waitAfterExpiry returns how long a request takes after the first token has expired.
func waitAfterExpiry(t *testing.T, srv *agstest.Server, client *http.Client) time.Duration {
	t.Helper()
	time.Sleep(toExpiry)
	begin := time.Now()
	require.NoError(t, get(t, srv, client))
	return time.Since(begin)
}

func get(t *testing.T, srv *agstest.Server, client *http.Client) error {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, srv.URL+"/api/profile", nil)
	require.NoError(t, err)
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	assert.Equal(t, http.StatusOK, resp.StatusCode)
	return resp.Body.Close()
}

// inMemory starts a gateway and a session in a bubble.
func inMemory(t *testing.T) (*agstest.Server, *tokensource.Source) {
	t.Helper()
	srv := agstest.NewServer(agstest.Config{InMemory: true})
	t.Cleanup(srv.Close)
	srv.Always(agstest.Refresh, agstest.Fault{Delay: refreshTakes})
	gateway, err := ags.New(ags.Config{BaseURL: srv.URL, AuthServiceID: "Customer Auth Service", TenantID: "nagra", HTTPClient: srv.Client()})
	require.NoError(t, err)
	session, err := tokensource.New(tokensource.Config{
		Refresher: gateway,
		Login: tokensource.SignOnWith(gateway, ags.SignOnRequest{
			Parameters: []ags.Parameter{
				{Name: "username", Value: agstest.DefaultUsername}, {Name: "password", Value: agstest.DefaultPassword},
			},
			DeviceInformation: []byte(`{"name":"integration"}`),
		}),
	})
	require.NoError(t, err)
	t.Cleanup(func() { _ = session.Close() })
	return srv, session
}
