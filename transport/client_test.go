package transport_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"

	"github.com/agsauth/agsauth/transport"
)

func TestNewClient_SendsATokenAndReplacesARejectedOne(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer new" {
			w.WriteHeader(http.StatusUnauthorized)
		}
	}))
	defer srv.Close()
	source := newSource("old", "new")
	client := transport.NewClient(source)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, srv.URL, http.NoBody)
	require.NoError(t, err)
	resp, err := client.Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	defer client.CloseIdleConnections()
	assert.Equal(t, http.StatusOK, resp.StatusCode)
	source.assertCalls(t, 2, "old")
}

// dialer is a client that takes header fields and returns its responses in turn.
type dialer struct {
	responses []*response
	tokens    []string
	dialed    []*http.Response
}

func (d *dialer) dial(header http.Header) (*http.Response, error) {
	d.tokens = append(d.tokens, header.Get("Authorization"))
	a := d.responses[len(d.dialed)]
	if a.err != nil && a.status == 0 {
		d.dialed = append(d.dialed, nil)
		return nil, a.err
	}
	resp := a.http()
	d.dialed = append(d.dialed, resp)
	return resp, a.err
}

func TestWithHeader(t *testing.T) {
	errHandshake := errors.New("bad handshake")
	fail := func(a *response) *response { a.err = errHandshake; return a }
	upgraded := func() *response { return &response{status: http.StatusSwitchingProtocols} }
	for name, tc := range map[string]struct {
		responses []*response
		tokens    []string // of the source
		sent      []string
		status    int // of the response; 0 for none
		err       error
	}{
		"accepted":                   {[]*response{upgraded()}, []string{"old", "new"}, []string{"old"}, 101, nil},
		"rejected by a 401":          {[]*response{fail(unauthorized()), upgraded()}, []string{"old", "new"}, []string{"old", "new"}, 101, nil},
		"rejected by a code":         {[]*response{fail(forbidden(codeBody)), upgraded()}, []string{"old", "new"}, []string{"old", "new"}, 101, nil},
		"rejected twice":             {[]*response{fail(unauthorized()), fail(unauthorized())}, []string{"old", "new"}, []string{"old", "new"}, 401, errHandshake},
		"rejected, no other token":   {[]*response{fail(unauthorized())}, []string{"old"}, []string{"old"}, 401, errHandshake},
		"refused for another reason": {[]*response{fail(forbidden(`{"code":20018}`))}, []string{"old", "new"}, []string{"old"}, 403, errHandshake},
		"no response":                {[]*response{fail(&response{})}, []string{"old", "new"}, []string{"old"}, 0, errHandshake},
	} {
		t.Run(name, func(t *testing.T) {
			d := &dialer{responses: tc.responses}
			resp, err := transport.WithHeader(t.Context(), newSource(tc.tokens...), d.dial)
			require.ErrorIs(t, err, tc.err)
			var sent []string
			for _, token := range tc.sent {
				sent = append(sent, "Bearer "+token)
			}
			assert.Equal(t, sent, d.tokens)
			if tc.status == 0 {
				assert.Nil(t, resp)
				return
			}
			require.Equal(t, tc.status, resp.StatusCode)
			assert.Same(t, d.dialed[len(d.dialed)-1], resp)
			last := len(d.dialed) - 1
			for i, a := range tc.responses {
				assert.Equal(t, i != last, a.body.closed.Load() == 1, "body %d is closed", i)
			}
			assertOpen(t, tc.responses[last], resp)
		})
	}
}

func TestWithHeader_TheSourceFails(t *testing.T) {
	failed := errors.New("no token")
	call := func(http.Header) (*http.Response, error) { t.Fatal("called without a token"); return nil, nil }
	_, err := transport.WithHeader(t.Context(), plainSource(func() (*oauth2.Token, error) { return nil, failed }), call)
	require.ErrorIs(t, err, failed)
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(failed)
	_, err = transport.WithHeader(ctx, newSource("t"), call)
	assert.Equal(t, failed, err)
}

// A source may fail after a rejection. The rejection then is what the caller gets.
func TestWithHeader_TheSourceFailsAfterARejection(t *testing.T) {
	source := newSource("old", "new")
	source.onAsk = func(context.Context) error {
		if len(source.invalidated) > 0 {
			return errors.New("no token")
		}
		return nil
	}
	a := unauthorized()
	d := &dialer{responses: []*response{a}}
	resp, err := transport.WithHeader(t.Context(), source, d.dial)
	require.NoError(t, err)
	assertOpen(t, a, resp)
	source.assertCalls(t, 2, "old")
}
