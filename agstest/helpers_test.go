package agstest_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/agstest"
	"github.com/agsauth/agsauth/clock"
	"github.com/agsauth/agsauth/internal/leak"
)

func TestMain(m *testing.M) { leak.Main(m) }

const (
	newDeviceSignOn = `{"parameters":[{"name":"username","value":"dave"},{"name":"password","value":"open sesame"}],` +
		`"deviceInformation":{"name":"box"}}`
	usernameOnly = `{"parameters":[{"name":"username","value":"dave"}]}`
)

// start returns the initial time of fake clocks. It is not a whole second, because
// tokens and lifetimes are.
func start() time.Time { return time.Date(2022, time.June, 10, 15, 4, 53, 400_000_000, time.UTC) }

// startServer returns a server with a fake clock, which it closes when the test ends.
func startServer(t *testing.T, cfg agstest.Config) (*agstest.Server, *clock.Fake) {
	t.Helper()
	fake := clock.NewFake(start())
	cfg.Clock = fake
	srv := agstest.NewServer(cfg)
	t.Cleanup(srv.Close)
	return srv, fake
}

// startInMemory returns a server in memory with the default clock, for use in a
// synctest bubble. It closes the server when the bubble ends.
func startInMemory(t *testing.T, cfg agstest.Config) *agstest.Server {
	t.Helper()
	cfg.InMemory = true
	srv := agstest.NewServer(cfg)
	t.Cleanup(srv.Close)
	return srv
}

// listeners returns the configs of a server on a loopback socket and of one in memory.
func listeners() map[string]agstest.Config {
	return map[string]agstest.Config{"loopback": {}, "memory": {InMemory: true}}
}

// onEachListener runs a test with a server on a loopback socket and with one in memory.
func onEachListener(t *testing.T, test func(t *testing.T, srv *agstest.Server)) {
	t.Helper()
	for name, cfg := range listeners() {
		t.Run(name, func(t *testing.T) {
			srv, _ := startServer(t, cfg)
			test(t, srv)
		})
	}
}

// reply is a response. Its err is that of the request or of reading the body.
type reply struct {
	status int
	header http.Header
	body   []byte
	err    error
}

// field returns a field of a JSON object.
func (r reply) field(t *testing.T, name string) any {
	t.Helper()
	require.NoError(t, r.err)
	var fields map[string]any
	require.NoError(t, json.Unmarshal(r.body, &fields))
	return fields[name]
}

// tokens is the decoded body of an answer with tokens.
type tokens struct {
	Access   string `json:"access_token"`
	Refresh  string `json:"refresh_token"`
	ClientID string `json:"client_id"`
	Account  string `json:"accountId"`

	ExpiresIn        int64 `json:"expires_in"`
	RefreshExpiresIn int64 `json:"refresh_expires_in"`
	FixedExpiresIn   int64 `json:"fixed_refresh_expires_in"`
}

func (r reply) tokens(t *testing.T, status int) tokens {
	t.Helper()
	require.NoError(t, r.err)
	require.Equal(t, status, r.status, "unexpected answer: %.100s", r.body)
	var tok tokens
	require.NoError(t, json.Unmarshal(r.body, &tok))
	return tok
}

// send sends a request with the mandatory headers, and those in header, which are
// pairs of name and value. An empty value removes a header.
func send(ctx context.Context, srv *agstest.Server, method, path, body string, header ...string) reply {
	rq, err := http.NewRequestWithContext(ctx, method, srv.URL+path, strings.NewReader(body))
	if err != nil {
		return reply{err: err}
	}
	rq.Header.Set("x-auth-service-id", "Customer Auth Service")
	rq.Header.Set("nv-tenant-id", "nagra")
	rq.Header.Set("x-correlation-id", "flow-1")
	if method == http.MethodPost {
		rq.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(header); i += 2 {
		rq.Header.Set(header[i], header[i+1])
		if header[i+1] == "" {
			rq.Header.Del(header[i])
		}
	}
	client := srv.Client()
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	rs, err := client.Do(rq)
	if err != nil {
		return reply{err: err}
	}
	defer rs.Body.Close()
	b, err := io.ReadAll(rs.Body)
	return reply{rs.StatusCode, rs.Header, b, err}
}

func post(t *testing.T, srv *agstest.Server, path, body string, header ...string) reply {
	t.Helper()
	return send(t.Context(), srv, http.MethodPost, path, body, header...)
}

// signOn signs on the default user with a new device.
func signOn(t *testing.T, srv *agstest.Server) tokens {
	t.Helper()
	return post(t, srv, "/ags/signOn", newDeviceSignOn).tokens(t, http.StatusCreated)
}

// signOnAgain signs on the default user with a registered device.
func signOnAgain(t *testing.T, srv *agstest.Server, clientID string) reply {
	t.Helper()
	body := strings.Replace(newDeviceSignOn, `"deviceInformation":{"name":"box"}`, `"clientId":"`+clientID+`"`, 1)
	return post(t, srv, "/ags/signOn", body)
}

func refresh(t *testing.T, srv *agstest.Server, token string) reply {
	t.Helper()
	return post(t, srv, "/ags/refresh", usernameOnly, "Authorization", "Bearer "+token)
}

func callAPI(t *testing.T, srv *agstest.Server, token string) reply {
	t.Helper()
	return post(t, srv, "/api/profile", "hello", "Authorization", "Bearer "+token)
}

// accepted reports whether the API accepts an access token.
func accepted(t *testing.T, srv *agstest.Server, token string) bool {
	t.Helper()
	r := callAPI(t, srv, token)
	require.NoError(t, r.err)
	return r.status == http.StatusOK && !bytes.Contains(r.body, []byte("99999:403"))
}

func signOut(t *testing.T, srv *agstest.Server, token string) reply {
	t.Helper()
	return post(t, srv, "/ags/signOut", usernameOnly, "Authorization", "Bearer "+token)
}

// assertRefused checks the status and the errorCode, 0 for none, of an error object.
func assertRefused(t *testing.T, status, code int, r reply, msg ...any) {
	t.Helper()
	assert.Equal(t, status, r.status, msg...)
	assert.NotEmpty(t, r.field(t, "message"), msg...)
	got, _ := r.field(t, "errorCode").(float64)
	assert.Equal(t, code, int(got), msg...)
}

// assertOneRefresh checks that the server received one refresh, and whether it
// succeeded.
func assertOneRefresh(t *testing.T, srv *agstest.Server, succeeded bool) {
	t.Helper()
	want := 0
	if succeeded {
		want = 1
	}
	assert.Equal(t, want, srv.Stats().Refreshes)
	assert.Equal(t, 1, srv.Count(agstest.Refresh))
	assert.Zero(t, srv.Pending(agstest.Refresh))
}

// totalCount returns how many requests the server has received.
func totalCount(srv *agstest.Server) int {
	n := 0
	for _, op := range []agstest.Op{
		agstest.Discovery, agstest.SignOn, agstest.SubsequentSignOn, agstest.SessionToken,
		agstest.SignOnWithSessionToken, agstest.Refresh, agstest.SignOut, agstest.API, agstest.Other,
	} {
		n += srv.Count(op)
	}
	return n
}
