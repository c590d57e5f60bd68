package agstest_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/agstest"
)

func TestFault_Response(t *testing.T) {
	tests := []struct {
		name   string
		fault  agstest.Fault
		status int
		body   string // empty for the tokens of a successful refresh
		record string // Request.Fault
		work   bool   // the server refreshes the session
	}{
		{"none", agstest.Fault{}, 200, "", "", true},
		{"status", agstest.Fault{Status: 503}, 503, `{"message":"scripted: Service Unavailable"}`, "answer 503", false},
		{"status and code", agstest.Fault{Status: 401, Code: 7}, 401, `{"errorCode":7,"message":"scripted: Unauthorized"}`, "answer 401", false},
		{"code alone", agstest.Fault{Code: 20003}, 403, `{"errorCode":20003,"message":"scripted: Forbidden"}`, "answer 403", false},
		{"error object with status 200", agstest.Fault{Status: 200, Code: 20020}, 200, `{"errorCode":20020,"message":"scripted: OK"}`, "answer 200", false},
		{"body alone", agstest.Fault{Body: `{"resultCode":"1024"}`}, 200, `{"resultCode":"1024"}`, "answer 200", false},
		{"status after work", agstest.Fault{Status: 500, AfterWork: true}, 500, `{"message":"scripted: Internal Server Error"}`, "answer 500", true},
		{"garbage", agstest.Fault{Kind: agstest.Garbage}, 200, "\x00\xff{\"access_token\": nonsense", "garbage", false},
		{"garbage with status and body", agstest.Fault{Kind: agstest.Garbage, Status: 502, Body: "{"}, 502, "{", "garbage", false},
		{"page with body", agstest.Fault{Kind: agstest.HTML, Body: "<p>no"}, 403, "<p>no", "html", false},
		{"header alone", agstest.Fault{RetryAfter: time.Second}, 200, "", "header", true},
		{"after work alone", agstest.Fault{AfterWork: true}, 200, "", "", true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			onEachListener(t, func(t *testing.T, srv *agstest.Server) {
				tok := signOn(t, srv)
				srv.Script(agstest.Refresh, test.fault)
				r := refresh(t, srv, tok.Refresh)
				require.NoError(t, r.err)
				assert.Equal(t, test.status, r.status)
				if test.body == "" {
					r.tokens(t, test.status)
				} else {
					assert.Equal(t, test.body, string(r.body))
				}
				assertOneRefresh(t, srv, test.work)
				assert.Equal(t, test.record, srv.Requests(agstest.Refresh)[0].Fault)
				assert.Equal(t, test.status, srv.Requests(agstest.Refresh)[0].Status)
			})
		})
	}
}

func TestFault_HTML(t *testing.T) {
	onEachListener(t, func(t *testing.T, srv *agstest.Server) {
		srv.Script(agstest.Refresh, agstest.Fault{Kind: agstest.HTML, Status: 429})
		r := refresh(t, srv, signOn(t, srv).Refresh)
		require.NoError(t, r.err)
		assert.Equal(t, http.StatusTooManyRequests, r.status)
		assert.Contains(t, r.header.Get("Content-Type"), "text/html")
		assert.Contains(t, string(r.body), "</html>")
		assertOneRefresh(t, srv, false)
	})
}

func TestFault_Empty(t *testing.T) {
	onEachListener(t, func(t *testing.T, srv *agstest.Server) {
		srv.Script(agstest.Refresh, agstest.Fault{Kind: agstest.Empty, Status: 401})
		r := refresh(t, srv, signOn(t, srv).Refresh)
		require.NoError(t, r.err)
		assert.Equal(t, http.StatusUnauthorized, r.status)
		assert.Empty(t, r.body)
		assert.Equal(t, "0", r.header.Get("Content-Length"))
		assertOneRefresh(t, srv, false)
	})
}

func TestFault_Oversized(t *testing.T) {
	onEachListener(t, func(t *testing.T, srv *agstest.Server) {
		srv.Script(agstest.Refresh, agstest.Fault{Kind: agstest.Oversized})
		r := refresh(t, srv, signOn(t, srv).Refresh)
		assert.NotEmpty(t, r.tokens(t, http.StatusOK).Access)
		assert.Greater(t, len(r.body), agstest.Oversize)
		assertOneRefresh(t, srv, true)
	})
}

func TestFault_Redirect(t *testing.T) {
	onEachListener(t, func(t *testing.T, srv *agstest.Server) {
		tok := signOn(t, srv)
		srv.Script(agstest.Refresh, agstest.Fault{Kind: agstest.Redirect})
		r := refresh(t, srv, tok.Refresh)
		require.NoError(t, r.err)
		assert.Equal(t, http.StatusTemporaryRedirect, r.status)
		assert.Equal(t, "http://stranger.example/ags/refresh", r.header.Get("Location"))
		assertOneRefresh(t, srv, false)

		srv.Script(agstest.Refresh, agstest.Fault{Kind: agstest.Redirect, Status: 302, Location: "/here"})
		r = refresh(t, srv, tok.Refresh)
		assert.Equal(t, http.StatusFound, r.status)
		assert.Equal(t, "/here", r.header.Get("Location"))
		assert.Equal(t, 2, srv.Count(agstest.Refresh))
	})
}

func TestFault_RedirectToAnotherHostIsRecorded(t *testing.T) {
	onEachListener(t, func(t *testing.T, srv *agstest.Server) {
		srv.Script(agstest.API, agstest.Fault{Kind: agstest.Redirect, Status: 302})
		rq, err := http.NewRequestWithContext(t.Context(), http.MethodGet, srv.URL+"/api/x", nil)
		require.NoError(t, err)
		rq.Header.Set("Authorization", "Bearer mine")
		rs, err := srv.Client().Do(rq)
		require.NoError(t, err)
		require.NoError(t, rs.Body.Close())
		requests := srv.Requests(agstest.API)
		require.Len(t, requests, 2)
		assert.Equal(t, "Bearer mine", requests[0].Reveal("Authorization"))
		assert.Equal(t, "stranger.example", requests[1].Host)
		assert.Empty(t, requests[1].Reveal("Authorization"), "net/http removes it for another host")
	})
}

func TestFault_RetryAfter(t *testing.T) {
	srv, _ := startServer(t, agstest.Config{Skew: time.Hour})
	srv.Script(agstest.Refresh,
		agstest.Fault{Status: 429, RetryAfter: 1500 * time.Millisecond},
		agstest.Fault{Status: 503, RetryAfter: time.Minute, RetryAfterDate: true})
	r := refresh(t, srv, "any")
	assert.Equal(t, 429, r.status)
	assert.Equal(t, "2", r.header.Get("Retry-After"))

	r = refresh(t, srv, "any")
	assert.Equal(t, 503, r.status)
	date, err := http.ParseTime(r.header.Get("Date"))
	require.NoError(t, err)
	at, err := http.ParseTime(r.header.Get("Retry-After"))
	require.NoError(t, err)
	assert.Equal(t, time.Minute, at.Sub(date), "on the server's clock")
	assert.Equal(t, 2, srv.Count(agstest.Refresh))
}

func TestFault_Header(t *testing.T) {
	srv, _ := startServer(t, agstest.Config{})
	srv.Script(agstest.Refresh, agstest.Fault{
		Status: 503, RetryAfter: time.Second,
		Header: http.Header{"Date": nil, "retry-after": {"soon"}, "Content-Type": {"text/plain"}, "X-More": {"a", "b"}},
	})
	r := refresh(t, srv, "any")
	require.NoError(t, r.err)
	assert.NotContains(t, r.header, "Date")
	assert.Equal(t, "soon", r.header.Get("Retry-After"))
	assert.Equal(t, "text/plain", r.header.Get("Content-Type"))
	assert.Equal(t, []string{"a", "b"}, r.header.Values("X-More"))
	assert.Equal(t, 1, srv.Count(agstest.Refresh))
}

func TestFault_Edit(t *testing.T) {
	srv, _ := startServer(t, agstest.Config{})
	srv.Script(agstest.SignOn, agstest.Fault{Edit: func(fields map[string]any) {
		fields["expires_in"] = 0
		delete(fields, "accountId")
	}})
	r := post(t, srv, "/ags/signOn", newDeviceSignOn)
	tok := r.tokens(t, http.StatusCreated)
	assert.Zero(t, tok.ExpiresIn)
	assert.Empty(t, tok.Account)
	assert.True(t, accepted(t, srv, tok.Access))
	assert.Equal(t, "edit", srv.Requests(agstest.SignOn)[0].Fault)

	srv.Script(agstest.SignOn, agstest.Fault{Body: "[]", Edit: func(map[string]any) { t.Error("Edit called without an object") }})
	assert.Equal(t, "[]", string(post(t, srv, "/ags/signOn", newDeviceSignOn).body))
	assert.Equal(t, 2, srv.Count(agstest.SignOn))
}

func TestFault_ForEveryOperation(t *testing.T) {
	srv, _ := startServer(t, agstest.Config{})
	paths := map[agstest.Op]string{
		agstest.Discovery: "/ags/servicediscovery", agstest.SignOn: "/ags/signOn",
		agstest.SubsequentSignOn: "/ags/subsequentSignOn", agstest.SessionToken: "/ags/getSessionToken",
		agstest.SignOnWithSessionToken: "/ags/signOnWithSessionToken", agstest.Refresh: "/ags/refresh",
		agstest.SignOut: "/ags/signOut", agstest.API: "/api/x", agstest.Other: "/",
	}
	for op, path := range paths {
		srv.Script(op, agstest.Fault{Status: 418})
		assert.Equal(t, 418, post(t, srv, path, "").status, op)
		assert.Equal(t, 1, srv.Count(op), op)
	}
	assert.Equal(t, len(paths), totalCount(srv))
}
