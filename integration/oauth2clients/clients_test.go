package oauth2clients_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"golang.org/x/oauth2"

	"github.com/agsauth/agsauth/integration/internal/harness"
	"github.com/agsauth/agsauth/internal/leak"
	"github.com/agsauth/agsauth/transport"
)

func TestMain(m *testing.M) { leak.Main(m) }

var clients = []harness.Client{
	{
		Name: "net/http",
		Open: over(func(e *harness.Env, base http.RoundTripper) *http.Client {
			return &http.Client{Transport: &transport.Transport{Source: e.Source, Base: base}}
		}),
	},
	{
		Name: "oauth2.Transport",
		Open: over(func(e *harness.Env, base http.RoundTripper) *http.Client {
			return &http.Client{Transport: &oauth2.Transport{Source: e.Source, Base: base}}
		}),
		Limits: map[harness.Check]string{
			harness.Replaced: "it does not look at responses",
			harness.Post:     "it does not look at responses",
			harness.Deadline: "it calls Token without a context",
		},
	},
}

func TestClients(t *testing.T) {
	for _, c := range clients {
		t.Run(c.Name, func(t *testing.T) { harness.Run(t, c) })
	}
}

func TestPage(t *testing.T) { harness.CheckPage(t, "../../docs/clients.md", "oauth2", clients) }

// over opens a client for an HTTP server that echoes.
func over(newClient func(e *harness.Env, base http.RoundTripper) *http.Client) func(*testing.T, *harness.Env) harness.Calls {
	return func(t *testing.T, e *harness.Env) harness.Calls {
		t.Helper()
		srv := httptest.NewServer(e.Protect(http.HandlerFunc(harness.Echo)))
		t.Cleanup(srv.Close)
		client := newClient(e, srv.Client().Transport)
		return harness.Calls{
			Get: func(ctx context.Context) error { return exchange(ctx, client, http.MethodGet, srv.URL, nil) },
			Post: func(ctx context.Context, body []byte) error {
				return exchange(ctx, client, http.MethodPost, srv.URL, body)
			},
		}
	}
}

func exchange(ctx context.Context, client *http.Client, method, url string, body []byte) error {
	req, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("status %d", resp.StatusCode)
	}
	echo, err := io.ReadAll(resp.Body)
	if err == nil && !bytes.Equal(echo, body) {
		err = errors.New("the body has not arrived whole")
	}
	return err
}
