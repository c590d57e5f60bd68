package agstest_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/agstest"
	"github.com/agsauth/agsauth/clock"
)

// adminOf returns a server of its own for the admin interface of srv.
func adminOf(t *testing.T, srv *agstest.Server) *httptest.Server {
	t.Helper()
	admin := httptest.NewServer(srv.Admin())
	t.Cleanup(admin.Close)
	return admin
}

// startWithAdmin returns a server with a fake clock, and its admin interface.
func startWithAdmin(t *testing.T, cfg agstest.Config) (*agstest.Server, *clock.Fake, *httptest.Server) {
	t.Helper()
	srv, fake := startServer(t, cfg)
	return srv, fake, adminOf(t, srv)
}

// ask sends a request to the admin interface, with the headers in header, which are pairs
// of name and value.
func ask(t *testing.T, admin *httptest.Server, method, path, body string, header ...string) reply {
	t.Helper()
	rq, err := http.NewRequestWithContext(t.Context(), method, admin.URL+path, strings.NewReader(body))
	require.NoError(t, err)
	for i := 0; i+1 < len(header); i += 2 {
		rq.Header.Set(header[i], header[i+1])
		if header[i] == "Host" {
			rq.Host = header[i+1]
		}
	}
	rs, err := admin.Client().Do(rq)
	require.NoError(t, err)
	defer rs.Body.Close()
	b, err := io.ReadAll(rs.Body)
	return reply{rs.StatusCode, rs.Header, b, err}
}

// answered requires the status 200 and returns the body.
func answered(t *testing.T, r reply) string {
	t.Helper()
	require.Equal(t, http.StatusOK, r.status, "%s", r.body)
	require.Equal(t, "application/json", r.header.Get("Content-Type"))
	return strings.TrimSpace(string(r.body))
}

func TestAdmin_ScriptsFaults(t *testing.T) {
	srv, _, admin := startWithAdmin(t, agstest.Config{})
	tok := signOn(t, srv)
	faults := `[{"op":"refresh","status":503,"code":20001,"retryAfter":"1500ms","header":{"X-A":"b","X-C":["d","e"]}},
		{"op":"refresh","kind":"cut-chunked","times":2}, {"op":"sign-on","kind":"lost","always":true}]`
	assert.JSONEq(t, `{"queued":[
		{"op":"refresh","status":503,"code":20001,"retryAfter":"1.5s","header":{"X-A":["b"],"X-C":["d","e"]},"times":1},
		{"op":"refresh","kind":"cut chunked","times":2}],
		"always":[{"op":"sign on","kind":"lost","always":true}]}`, answered(t, ask(t, admin, "POST", "/faults", faults)))

	r := refresh(t, srv, tok.Refresh)
	assertRefused(t, 503, 20001, r)
	assert.Equal(t, "2", r.header.Get("Retry-After"))
	assert.Equal(t, []string{"d", "e"}, r.header.Values("X-C"))
	require.Error(t, refresh(t, srv, tok.Refresh).err)
	require.Error(t, post(t, srv, "/ags/signOn", newDeviceSignOn).err)
	assert.Equal(t, 1, srv.Pending(agstest.Refresh))

	assert.Contains(t, answered(t, ask(t, admin, "DELETE", "/faults?op=sign-on", "")), `"always":[]`)
	signOn(t, srv)
	assert.JSONEq(t, `{"queued":[],"always":[]}`, answered(t, ask(t, admin, "DELETE", "/faults", "")))
	assert.JSONEq(t, `{"queued":[],"always":[]}`, answered(t, ask(t, admin, "GET", "/faults", "")))
}

func TestAdmin_FaultFields(t *testing.T) {
	srv, fake, admin := startWithAdmin(t, agstest.Config{})
	answered(t, ask(t, admin, "POST", "/faults", `{"op":"api","kind":"drip","delay":2,"pause":"1s","afterWork":true,
		"status":418,"body":"a teapot","retryAfter":3600,"retryAfterDate":true}`))
	answer := make(chan reply)
	go func() { answer <- send(context.Background(), srv, http.MethodPost, "/api/x", "") }()
	for range 8 { // the delay, and the pauses between eight pieces
		require.NoError(t, fake.BlockUntil(t.Context(), 1))
		fake.AdvanceToNext()
	}
	r := <-answer
	assert.Equal(t, 418, r.status)
	assert.Equal(t, "a teapot", string(r.body))
	assert.Contains(t, r.header.Get("Retry-After"), "2022 16:04:5")
	assert.Equal(t, start().Add(9*time.Second), fake.Now())

	answered(t, ask(t, admin, "POST", "/faults", `{"op":"api","kind":"redirect","location":"/elsewhere"}`))
	assert.Equal(t, "/elsewhere", post(t, srv, "/api/x", "").header.Get("Location"))
}

func TestAdmin_RefusesWhatMakesNoSense(t *testing.T) {
	srv, _, admin := startWithAdmin(t, agstest.Config{})
	tests := []struct{ method, path, body, want string }{
		{"POST", "/faults", ``, "the body is not a JSON object"},
		{"POST", "/faults", `{}`, `field "op" is missing`},
		{"POST", "/faults", `{"op":"refrsh"}`, `there is no operation "refrsh"; use one of discovery, sign-on, subsequent-sign-on, session-token, sign-on-with-session-token, refresh, sign-out, api, other`},
		{"POST", "/faults", `{"op":"refresh","delya":"1s"}`, `unknown field "delya"`},
		{"POST", "/faults", `{"op":"refresh","kind":"lots"}`, `field "kind": there is no "lots"; use one of lost, garbage, html, empty, redirect, cut, cut-chunked, drip, oversized`},
		{"POST", "/faults", `{"op":"refresh","status":99}`, `field "status": 99 is not from 200 to 599`},
		{"POST", "/faults", `{"op":"refresh","status":"503"}`, `field "status": a JSON string makes no sense here`},
		{"POST", "/faults", `{"op":"refresh","code":-1}`, `field "code" is negative`},
		{"POST", "/faults", `{"op":"refresh","times":-1}`, `field "times" is negative`},
		{"POST", "/faults", `{"op":"refresh","times":2,"always":true}`, `exclude each other`},
		{"POST", "/faults", `{"op":"refresh","delay":"soon"}`, `field "delay": "soon" is not a duration`},
		{"POST", "/faults", `{"op":"refresh","delay":""}`, `field "delay": "" is not a duration`},
		{"POST", "/faults", `{"op":"refresh","pause":null}`, `field "pause": "null" is not a duration`},
		{"POST", "/faults", `{"op":"refresh","retryAfter":-1}`, `field "retryAfter" is negative`},
		{"POST", "/faults", `{"op":"refresh","delay":1e300}`, `field "delay": "1e300" is not a duration`},
		{"POST", "/faults", `{"op":"refresh","header":{"X":1}}`, `field "header"`},
		{"POST", "/faults", `{"op":"refresh","header":{"X Y":"z"}}`, `field "header": "X Y"`},
		{"POST", "/faults", `{"op":"refresh","header":{"X":"a\nb"}}`, `field "header": "X"`},
		{"POST", "/faults", `{"op":"refresh"} {}`, "more than one JSON value"},
		{"POST", "/faults", `[{"op":"refresh"},{"op":"none"}]`, `there is no operation "none"`},
		{"POST", "/faults", `[`, "neither a JSON object nor an array"},
		{"POST", "/faults", `{"body":"` + strings.Repeat("x", 1<<20) + `"}`, "longer than a MiB"},
		{"POST", "/faults?op=api", `{}`, `there is no parameter "op" here`},
		{"DELETE", "/faults?op=x", ``, `there is no operation "x"`},
		{"DELETE", "/faults", `{"op":"api"}`, `takes no body`},
		{"PUT", "/rejections", `{}`, `neither "all" nor "next" is set`},
		{"PUT", "/rejections", `{"next":-1}`, `field "next" is negative`},
		{"PUT", "/geoblock", `{}`, `field "on" is missing`},
		{"PUT", "/geoblock", `{"on":"yes"}`, `field "on": a JSON string`},
		{"PUT", "/clock", `{}`, `set either "skew" or "advance"`},
		{"PUT", "/clock", `{"skew":1,"advance":2}`, `set either "skew" or "advance"`},
		{"PUT", "/clock", `{"skew":"late"}`, `field "skew": "late" is not a duration`},
		{"PUT", "/clock", `{"advance":[]}`, `field "advance": "[]" is not a duration`},
		{"POST", "/reset", `{"all":true}`, `POST /reset takes no body`},
		{"POST", "/keys/rotate", `x`, `takes no body`},
		{"POST", "/sessions/revoke", `x`, `takes no body`},
		{"POST", "/sessions/1/revoke", `x`, `takes no body`},
		{"POST", "/accounts/1663/suspend", `x`, `takes no body`},
		{"POST", "/devices/PUB_1/delete", `x`, `takes no body`},
		{"GET", "/requests?op=x", ``, `there is no operation "x"`},
		{"GET", "/requests?since=-1", ``, `parameter since: "-1" is not a number`},
		{"GET", "/sessions?limit=x", ``, `parameter limit: "x" is not a number`},
		{"GET", "/requests?limit=-1", ``, `parameter limit: "-1" is not a number`},
		{"GET", "/requests?wait=x", ``, `"wait": "x" is not a duration`},
		{"GET", "/events?since=x", ``, `parameter since: "x" is not a number`},
		{"GET", "/events?sinec=1", ``, `there is no parameter "sinec" here`},
		{"GET", "/health?x=1", ``, `there is no parameter "x" here`},
	}
	for _, test := range tests {
		r := ask(t, admin, test.method, test.path, test.body)
		name := test.method + " " + test.path + " " + test.body[:min(len(test.body), 40)]
		assert.Equal(t, http.StatusBadRequest, r.status, name)
		text, _ := r.field(t, "error").(string)
		assert.Contains(t, text, test.want, name)
		assert.NotContains(t, text, "\n", name)
	}
	assert.Zero(t, srv.Pending(agstest.Refresh), "an array is queued as a whole or not at all")
}

func TestAdmin_AnswersNotFoundAndConflict(t *testing.T) {
	srv, _, admin := startWithAdmin(t, agstest.Config{})
	signOn(t, srv)
	srv.RevokeSessions()
	srv.DeleteDevice("PUB_1")
	tests := map[string]int{
		"GET /": 404, "POST /health": 404, "GET /reset": 404, "POST /sessions/2/revoke": 404, "POST /sessions/0/revoke": 404,
		"POST /sessions/x/revoke": 404, "POST /sessions/1/revoke": 409, "POST /accounts/1/suspend": 404,
		"POST /accounts/1663/delete": 404, "POST /devices/PUB_2/delete": 404, "POST /devices/PUB_1/suspend": 404,
		"POST /devices/PUB_1/enable": 409,
	}
	for request, status := range tests {
		method, path, _ := strings.Cut(request, " ")
		r := ask(t, admin, method, path, "")
		assert.Equal(t, status, r.status, request)
		assert.NotEmpty(t, r.field(t, "error"), request)
	}
}

func TestAdmin_Sessions(t *testing.T) {
	srv, fake, admin := startWithAdmin(t, agstest.Config{})
	tok := signOn(t, srv)
	for range 4 {
		signOn(t, srv)
	}
	refresh(t, srv, tok.Refresh).tokens(t, http.StatusOK)
	fake.Advance(time.Minute)
	answered(t, ask(t, admin, "POST", "/sessions/2/revoke", "{}"))
	answered(t, ask(t, admin, "POST", "/devices/PUB_3/disable", ""))
	var body struct {
		Sessions []struct {
			Number, Generation                                int
			AccountID, ClientID, TenantID, State              string
			AccessExpiresAt, RefreshExpiresAt, FixedExpiresAt time.Time
		}
	}
	require.NoError(t, json.Unmarshal([]byte(answered(t, ask(t, admin, "GET", "/sessions", ""))), &body))
	var states []string
	for _, s := range body.Sessions {
		states = append(states, s.State)
	}
	assert.Equal(t, []string{"live", "revoked", "blocked", "live", "live"}, states)
	got := body.Sessions[0]
	assert.Equal(t, []int{1, 2}, []int{got.Number, got.Generation})
	assert.Equal(t, "1663 PUB_1 nagra", got.AccountID+" "+got.ClientID+" "+got.TenantID)
	issued := start().Truncate(time.Second)
	assert.Equal(t, issued.Add(time.Hour), got.AccessExpiresAt)
	assert.Equal(t, issued.Add(48*time.Hour), got.RefreshExpiresAt)
	assert.Equal(t, issued.Add(30*24*time.Hour), got.FixedExpiresAt)
	assert.Regexp(t, `^{"sessions":\[{"number":4,[^{]*},{"number":5,[^{]*}\]}$`, answered(t, ask(t, admin, "GET", "/sessions?limit=2", "")))
	assert.JSONEq(t, `{"revoked":4}`, answered(t, ask(t, admin, "POST", "/sessions/revoke", "")))
}
