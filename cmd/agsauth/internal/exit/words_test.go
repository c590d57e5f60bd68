package exit_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/ags"
	"github.com/agsauth/agsauth/cmd/agsauth/internal/exit"
	"github.com/agsauth/agsauth/tokensource"
)

func TestPlain(t *testing.T) {
	for text, want := range map[string]string{
		"request: transport: get token: tokensource: login required":         "request: login required",
		"tokensource: sync: load the session: store: load: open /a: no file": "sync: load the session: load: open /a: no file",
		"a; ags: refresh: status 503":                                        "a; refresh: status 503",
		"tokensource: login required: fixed horizon passed at noon":          "login required: the session has reached its fixed end at noon",
		"ags: config: BaseURL is plain http, without AllowInsecure":          "gateway is plain http, without --allow-insecure",
		"ags: config: Header has \"Host\", which cannot be set":              "the table headers has \"Host\", which cannot be set",
		// What the gateway or the user has written stays as it is.
		"open /store: the folder ags:":              "open /store: the folder ags:",
		"ags: sign on: status 400: Timeout BaseURL": "sign on: status 400: Timeout BaseURL",
		"bookstore: closed":                         "bookstore: closed",
	} {
		assert.Equal(t, want, exit.Plain(text))
	}
}

// The causes of a failed connection are known by the text of package ags only.
func TestMessage_TellsWhyTheGatewayIsUnreachable(t *testing.T) {
	secure, plain := httptest.NewTLSServer(http.NotFoundHandler()), httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(secure.Close)
	t.Cleanup(plain.Close)
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	for name, tt := range map[string]struct {
		url    string
		client *http.Client
		want   string
	}{
		"unknown authority": {secure.URL, plain.Client(), "; trust that authority with --ca-file, or run agsauth doctor"},
		"another host":      {strings.Replace(secure.URL, "127.0.0.1", "localhost", 1), secure.Client(), "; correct the host of --gateway, or run agsauth doctor"},
		"no TLS":            {strings.Replace(plain.URL, "http:", "https:", 1), plain.Client(), " in --gateway; agsauth doctor says more"},
		"nobody listens":    {gone.URL, plain.Client(), "; try again later, or run agsauth doctor"},
	} {
		client, err := ags.New(ags.Config{
			BaseURL: tt.url, TenantID: "nagra", AuthServiceID: "any", HTTPClient: tt.client, Retry: ags.Retry{Max: -1},
		})
		require.NoError(t, err)
		_, err = client.Discover(context.Background())
		require.Error(t, err, name)
		assert.Equal(t, exit.Unreachable, exit.StatusOf(err), name)
		message := exit.Message(err, nil)
		assert.True(t, strings.HasSuffix(message, tt.want), "%s: %s", name, message)
	}
}

func TestMessage_OfTheStore(t *testing.T) {
	_, err := newSource(t, failingStore{}).TokenContext(context.Background())
	require.Error(t, err)
	assert.Equal(t, exit.Failure, exit.StatusOf(err))
	assert.Contains(t, exit.Message(err, nil), "the connection failed; agsauth doctor checks the store")
}

func newSource(t *testing.T, store tokensource.Store) *tokensource.Source {
	t.Helper()
	client, err := ags.New(ags.Config{BaseURL: "http://127.0.0.1:1", TenantID: "nagra", AuthServiceID: "any"})
	require.NoError(t, err)
	source, err := tokensource.New(tokensource.Config{Refresher: client, Store: store})
	require.NoError(t, err)
	t.Cleanup(func() { _ = source.Close() })
	return source
}

// failingStore is a store whose server is away.
type failingStore struct{ tokensource.Store }

func (failingStore) Load(context.Context) ([]byte, error) {
	return nil, errors.New("redisstore: load: the connection failed")
}
