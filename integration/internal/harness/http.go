package harness

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
)

// HTTPClient sends requests, as [http.Client] does.
type HTTPClient interface {
	Do(req *http.Request) (*http.Response, error)
}

// OverHTTP returns an Open for a client that sends [http.Request] values to an echoing
// server. The client is to send them with base.
func OverHTTP(newClient func(t *testing.T, e *Env, base http.RoundTripper) HTTPClient) func(*testing.T, *Env) Calls {
	return func(t *testing.T, e *Env) Calls {
		t.Helper()
		srv := NewServer(t, e.Protect(http.HandlerFunc(Echo)))
		client := newClient(t, e, srv.Client().Transport)
		return CallsOf(client, func() string { return srv.URL })
	}
}

// NewServer starts a server that is closed when the test ends.
func NewServer(t *testing.T, h http.Handler) *httptest.Server {
	t.Helper()
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	return srv
}

// CallsOf returns calls that exchange a body with an echoing server at the URL that url
// returns.
func CallsOf(client HTTPClient, url func() string) Calls {
	return Calls{
		Get: func(ctx context.Context) error { return Exchange(ctx, client, http.MethodGet, url(), nil) },
		Post: func(ctx context.Context, body []byte) error {
			return Exchange(ctx, client, http.MethodPost, url(), body)
		},
	}
}

// Exchange sends a request and returns an error if the response has another status than
// 200 or another body.
func Exchange(ctx context.Context, client HTTPClient, method, url string, body []byte) error {
	req, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	resp, err := client.Do(req)
	return CheckResponse(resp, err, body)
}

// CheckResponse reads and closes a response, unless there is an error, and returns an error
// if its status is not 200 or its body differs from the request's.
func CheckResponse(resp *http.Response, err error, body []byte) error {
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	echo, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	return CheckEcho(resp.StatusCode, body, echo)
}

// CheckEcho returns an error if the status is not 200 or the echo differs from the body.
func CheckEcho(status int, body, echo []byte) error {
	switch {
	case status != http.StatusOK:
		return fmt.Errorf("status %d", status)
	case !bytes.Equal(echo, body):
		return errors.New("the body has not arrived whole")
	}
	return nil
}
