package agstest_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/agstest"
)

func TestAdmin_HealthConfigAndStats(t *testing.T) {
	srv, _, admin := startWithAdmin(t, agstest.Config{AccessLifetime: 5 * time.Second, ReusableRefreshTokens: true})
	assert.JSONEq(t, `{"status":"ok"}`, answered(t, ask(t, admin, "GET", "/health", "")))
	assert.JSONEq(t, `{"url":"`+srv.URL+`","dialect":"ags","accessLifetime":"5s","refreshLifetime":"48h0m0s",
		"fixedLifetime":"720h0m0s","reusableRefreshTokens":true}`, answered(t, ask(t, admin, "GET", "/config", "")))
	tok := signOn(t, srv)
	refresh(t, srv, tok.Refresh)
	stats := answered(t, ask(t, admin, "GET", "/stats", ""))
	assert.Contains(t, stats, `"refreshes":1`)
	assert.Contains(t, stats, `"refresh":{"requests":1,"inFlight":0,"maxInFlight":1}`)
}

func TestAdmin_Clock(t *testing.T) {
	srv, _, admin := startWithAdmin(t, agstest.Config{Skew: time.Minute})
	tok := signOn(t, srv)
	assert.JSONEq(t, `{"now":"2022-06-10T15:05:53.4Z","skew":"1m0s"}`, answered(t, ask(t, admin, "GET", "/clock", "")))
	assert.JSONEq(t, `{"now":"2022-06-10T15:03:53.4Z","skew":"-1m0s"}`, answered(t, ask(t, admin, "PUT", "/clock", `{"skew":-60}`)))
	assert.True(t, accepted(t, srv, tok.Access))
	answered(t, ask(t, admin, "PUT", "/clock", `{"advance":"1h"}`))
	assert.JSONEq(t, `{"now":"2022-06-10T17:03:53.4Z","skew":"1h59m0s"}`, answered(t, ask(t, admin, "PUT", "/clock", `{"advance":3600}`)))
	assert.False(t, accepted(t, srv, tok.Access))
	assert.Equal(t, 2*time.Hour-time.Minute, srv.Skew())
}

func TestAdmin_AccountsAndDevices(t *testing.T) {
	srv, _, admin := startWithAdmin(t, agstest.Config{})
	tok := signOn(t, srv)
	for act, want := range map[string]struct {
		state string
		code  int
	}{"suspend": {"suspended", 20002}, "cancel": {"cancelled", 20001}} {
		assert.JSONEq(t, `{"id":"1663","username":"dave","state":"`+want.state+`"}`,
			answered(t, ask(t, admin, "POST", "/accounts/1663/"+act, "")))
		assertRefused(t, 403, want.code, refresh(t, srv, tok.Refresh))
	}
	assert.JSONEq(t, `{"id":"1663","username":"dave","state":"live"}`, answered(t, ask(t, admin, "POST", "/accounts/1663/restore", "")))

	answered(t, ask(t, admin, "POST", "/devices/PUB_1/disable", ""))
	assertRefused(t, 403, 20004, refresh(t, srv, tok.Refresh))
	answered(t, ask(t, admin, "POST", "/devices/PUB_1/enable", ""))
	refresh(t, srv, tok.Refresh).tokens(t, http.StatusOK)
	answered(t, ask(t, admin, "POST", "/devices/PUB_1/delete", ""))
	for range 4 {
		signOn(t, srv)
	}
	assert.Contains(t, answered(t, ask(t, admin, "GET", "/devices", "")),
		`{"devices":[{"clientId":"PUB_1","accountId":"1663","state":"deleted"},{"clientId":"PUB_2","accountId":"1663","state":"live"},`)
	accounts := answered(t, ask(t, admin, "GET", "/accounts", ""))
	assert.JSONEq(t, `{"accounts":[{"id":"1663","username":"dave","state":"live"}]}`, accounts)
	assert.NotContains(t, accounts, agstest.DefaultPassword)
}

func TestAdmin_RejectionsGeoBlockAndKeys(t *testing.T) {
	srv, _, admin := startWithAdmin(t, agstest.Config{})
	tok := signOn(t, srv)
	assert.JSONEq(t, `{"all":false,"next":1}`, answered(t, ask(t, admin, "PUT", "/rejections", `{"next":1}`)))
	assert.False(t, accepted(t, srv, tok.Access))
	assert.True(t, accepted(t, srv, tok.Access))
	assert.JSONEq(t, `{"all":true,"next":0}`, answered(t, ask(t, admin, "PUT", "/rejections", `{"all":true}`)))
	assert.False(t, accepted(t, srv, tok.Access))
	answered(t, ask(t, admin, "PUT", "/rejections", `{"all":false}`))
	assert.True(t, accepted(t, srv, tok.Access))

	answered(t, ask(t, admin, "PUT", "/geoblock", `{"on":true}`))
	assert.JSONEq(t, `{"on":true}`, answered(t, ask(t, admin, "GET", "/geoblock", "")))
	assertRefused(t, 403, 20019, refresh(t, srv, tok.Refresh))
	answered(t, ask(t, admin, "PUT", "/geoblock", `{"on":false}`))

	assert.JSONEq(t, `{}`, answered(t, ask(t, admin, "POST", "/keys/rotate", "")))
	assertRefused(t, 403, 20020, refresh(t, srv, tok.Refresh))
	assert.Equal(t, agstest.SessionUndecodable, srv.Sessions()[0].State)
}

func TestSessions_States(t *testing.T) {
	srv, fake := startServer(t, agstest.Config{RefreshLifetime: time.Hour, FixedLifetime: 3 * time.Hour, DeviceLimit: -1})
	reused, signedOut, revoked, idle := signOn(t, srv), signOn(t, srv), signOn(t, srv), signOn(t, srv)
	refresh(t, srv, reused.Refresh).tokens(t, http.StatusOK)
	refresh(t, srv, reused.Refresh)
	signOut(t, srv, signedOut.Access)
	require.Equal(t, 1, srv.RevokeSessions(revoked.ClientID))
	assert.False(t, srv.RevokeSession(3), "it has ended")
	assert.False(t, srv.RevokeSession(0))
	assert.False(t, srv.RevokeSession(5))

	states := func() (list []agstest.SessionState) {
		for _, s := range srv.Sessions() {
			list = append(list, s.State)
		}
		return list
	}
	ended := []agstest.SessionState{agstest.SessionReused, agstest.SessionSignedOut, agstest.SessionRevoked}
	assert.Equal(t, append(ended, agstest.SessionLive), states())
	srv.SuspendAccount(idle.Account)
	assert.Equal(t, append(ended, agstest.SessionBlocked), states())
	srv.RestoreAccount(idle.Account)
	fake.Advance(time.Hour)
	assert.Equal(t, append(ended, agstest.SessionExpired), states(), "its refresh token has expired")
}

func TestReset_IsANewServer(t *testing.T) {
	srv, _ := startServer(t, agstest.Config{Skew: time.Minute})
	tok := signOn(t, srv)
	srv.SuspendAccount(tok.Account)
	srv.SetSkew(time.Hour)
	srv.Script(agstest.Refresh, agstest.Fault{Status: 503})
	srv.Always(agstest.API, agstest.Fault{Status: 503})
	srv.GeoBlock(true)
	srv.RejectAll(true)
	release := srv.Hold(agstest.SignOut)
	held := make(chan reply)
	go func() { held <- signOut(t, srv, tok.Access) }()
	require.NoError(t, srv.Wait(t.Context(), agstest.SignOut, 1))

	srv.Reset()
	assertRefused(t, 403, 20020, <-held)
	assert.Equal(t, agstest.Stats{}, srv.Stats())
	assert.Equal(t, time.Minute, srv.Skew())
	assert.Empty(t, srv.Sessions())
	assert.Empty(t, srv.Requests())
	for _, op := range []agstest.Op{agstest.SignOn, agstest.SignOut} {
		assert.Zero(t, srv.Count(op))
		assert.Zero(t, srv.InFlight(op), "also of requests that were in flight")
	}
	assertRefused(t, 403, 20020, refresh(t, srv, tok.Refresh))
	again := signOn(t, srv)
	assert.Equal(t, "PUB_1", again.ClientID)
	assert.True(t, accepted(t, srv, again.Access))
	release() // has no effect
	signOut(t, srv, again.Access)
	assert.Equal(t, 1, srv.Count(agstest.SignOut))
}

func TestAdmin_NoAnswerHasASecret(t *testing.T) {
	for _, dialect := range []agstest.Dialect{agstest.AGS, agstest.IASv2} {
		srv, _, admin := startWithAdmin(t, agstest.Config{Dialect: dialect, Quirks: agstest.Quirks{SignOnStatus: http.StatusCreated}})
		signOnPath := "/ags/signOn"
		if dialect == agstest.IASv2 {
			signOnPath = "/ias/v2/token?grant_type=password&username=dave&password=open%20sesame"
		}
		tok := post(t, srv, signOnPath, newDeviceSignOn, "tenantid", "t").tokens(t, http.StatusCreated)
		post(t, srv, "/ias/v2/token?grant_type=refresh_token&refresh_token="+tok.Refresh, "{}", "tenantid", "t")
		refresh(t, srv, tok.Refresh)
		callAPI(t, srv, tok.Access)
		post(t, srv, "/api/x?token="+tok.Access, tok.Access, "Cookie", "t="+tok.Access, "X-Forwarded-Access", tok.Access, "Referer", "/?"+tok.Access)
		srv.RejectToken(tok.Access)

		stream, answers := openEvents(t, admin, "?since=0"), ""
		for requests := 0; requests < 5 && stream.lines.Scan(); {
			answers += stream.lines.Text()
			if strings.HasPrefix(stream.lines.Text(), "data:") {
				requests++
			}
		}
		require.Equal(t, 5, strings.Count(answers, "event: request"))
		for _, path := range []string{
			"/health", "/config", "/stats", "/requests", "/faults", "/rejections", "/geoblock", "/sessions", "/accounts", "/devices", "/clock",
		} {
			answers += answered(t, ask(t, admin, http.MethodGet, path, ""))
		}
		require.Contains(t, answers, `"op":"sign on"`)
		for _, secret := range []string{tok.Access, tok.Refresh, agstest.DefaultPassword, "open%20sesame", "eyJ"} {
			assert.NotContains(t, answers, secret)
		}
	}
}
