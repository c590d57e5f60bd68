package agstest_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/agstest"
)

func TestRefresh_ReturnsANewPair(t *testing.T) {
	for _, path := range []string{"/ags/refresh", "/ias/v3/token/actions/refresh"} {
		t.Run(path, func(t *testing.T) {
			srv, _ := startServer(t, agstest.Config{})
			old := signOn(t, srv)
			tok := post(t, srv, path, usernameOnly, "Authorization", "Bearer "+old.Refresh).tokens(t, http.StatusOK)
			assert.NotEqual(t, old.Access, tok.Access)
			assert.NotEqual(t, old.Refresh, tok.Refresh)
			assert.Equal(t, old.ClientID, tok.ClientID)
			assert.Equal(t, old.Account, tok.Account)
			assert.Equal(t, 1, srv.Stats().Refreshes)
			assert.Equal(t, 1, srv.Count(agstest.Refresh))
		})
	}
}

func TestRefresh_AuthorizationForms(t *testing.T) {
	tests := []struct {
		name   string
		quirks agstest.Quirks
		scheme string
		want   int
	}{
		{"bearer", agstest.Quirks{}, "Bearer ", 200},
		{"bearer in lower case", agstest.Quirks{}, "bearer ", 200},
		{"bare", agstest.Quirks{}, "", 200},
		{"another scheme", agstest.Quirks{}, "Basic ", 401},
		{"bearer required", agstest.Quirks{RequireBearer: true}, "Bearer ", 200},
		{"bare, bearer required", agstest.Quirks{RequireBearer: true}, "", 401},
		{"bare required", agstest.Quirks{RequireBare: true}, "", 200},
		{"bearer, bare required", agstest.Quirks{RequireBare: true}, "Bearer ", 401},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			srv, _ := startServer(t, agstest.Config{Quirks: test.quirks})
			tok := signOn(t, srv)
			r := post(t, srv, "/ags/refresh", usernameOnly, "Authorization", test.scheme+tok.Refresh)
			require.NoError(t, r.err)
			assert.Equal(t, test.want, r.status)
			assert.Equal(t, 1, srv.Count(agstest.Refresh))
		})
	}
}

func TestRefresh_RejectsOtherTokens(t *testing.T) {
	srv, _ := startServer(t, agstest.Config{})
	tok := signOn(t, srv)
	assertRefused(t, 401, 0, post(t, srv, "/ags/refresh", usernameOnly), "no token")
	assertRefused(t, 403, 20020, refresh(t, srv, tok.Access), "an access token")
	assertRefused(t, 403, 20020, refresh(t, srv, tok.Refresh+"x"), "a forged token")
	assert.Equal(t, 3, srv.Count(agstest.Refresh))
	refresh(t, srv, tok.Refresh).tokens(t, http.StatusOK)
}

func TestRefresh_ReuseEndsTheSession(t *testing.T) {
	srv, _ := startServer(t, agstest.Config{})
	first := signOn(t, srv)
	second := refresh(t, srv, first.Refresh).tokens(t, http.StatusOK)
	assertRefused(t, 401, 0, refresh(t, srv, first.Refresh))
	assert.Equal(t, 1, srv.Stats().Reuses)
	assertRefused(t, 401, 0, refresh(t, srv, second.Refresh), "the session has ended")
	assert.Equal(t, 1, srv.Stats().Reuses, "the second token was not reused")
	assert.Zero(t, srv.Stats().LiveSessions)
	assert.Equal(t, 3, srv.Count(agstest.Refresh))
	assert.True(t, accepted(t, srv, second.Access), "an access token stays valid until it expires")
}

func TestRefresh_ReuseDoesNotEndOtherSessions(t *testing.T) {
	srv, _ := startServer(t, agstest.Config{})
	mine, other := signOn(t, srv), signOn(t, srv)
	refresh(t, srv, mine.Refresh).tokens(t, http.StatusOK)
	assertRefused(t, 401, 0, refresh(t, srv, mine.Refresh))
	refresh(t, srv, other.Refresh).tokens(t, http.StatusOK)
	assert.Equal(t, 3, srv.Count(agstest.Refresh))
}

func TestRefresh_ReusableRefreshTokens(t *testing.T) {
	srv, fake := startServer(t, agstest.Config{ReusableRefreshTokens: true, RefreshLifetime: time.Hour})
	tok := signOn(t, srv)
	seen := map[string]bool{}
	for range 3 {
		seen[refresh(t, srv, tok.Refresh).tokens(t, http.StatusOK).Refresh] = true
		fake.Advance(time.Minute)
	}
	assert.Len(t, seen, 3)
	fake.Advance(time.Hour)
	assertRefused(t, 401, 0, refresh(t, srv, tok.Refresh))
	assert.Zero(t, srv.Stats().Reuses)
	assert.Equal(t, 4, srv.Count(agstest.Refresh))
}

func TestRefresh_ReuseGrace(t *testing.T) {
	srv, fake := startServer(t, agstest.Config{ReuseGrace: 10 * time.Second})
	first := signOn(t, srv)
	one := refresh(t, srv, first.Refresh).tokens(t, http.StatusOK)
	fake.Advance(10*time.Second - 1)
	two := refresh(t, srv, first.Refresh).tokens(t, http.StatusOK)
	assert.NotEqual(t, one.Refresh, two.Refresh)
	assert.Zero(t, srv.Stats().Reuses)
	refresh(t, srv, one.Refresh).tokens(t, http.StatusOK)
	refresh(t, srv, two.Refresh).tokens(t, http.StatusOK)

	fake.Advance(1)
	assertRefused(t, 401, 0, refresh(t, srv, first.Refresh))
	assert.Equal(t, 1, srv.Stats().Reuses)
	assert.Equal(t, 5, srv.Count(agstest.Refresh))
}

func TestRefresh_OptionalParameters(t *testing.T) {
	srv, _ := startServer(t, agstest.Config{OptionalParameters: true})
	tok := signOn(t, srv)
	next := post(t, srv, "/ags/refresh", `{}`, "Authorization", tok.Refresh).tokens(t, http.StatusOK)
	r := post(t, srv, "/ags/signOut", `{}`, "Authorization", "Bearer "+next.Access)
	assert.Equal(t, http.StatusOK, r.status)
	assert.Equal(t, 1, srv.Count(agstest.Refresh))
	assert.Equal(t, 1, srv.Count(agstest.SignOut))
}

func TestSignOut_EndsTheSession(t *testing.T) {
	srv, _ := startServer(t, agstest.Config{})
	tok := signOn(t, srv)
	r := signOut(t, srv, tok.Access)
	require.NoError(t, r.err)
	assert.Equal(t, http.StatusOK, r.status)
	assertRefused(t, 401, 0, refresh(t, srv, tok.Refresh))
	assertRefused(t, 404, 0, signOut(t, srv, tok.Access))
	assert.Equal(t, 0, srv.Stats().LiveSessions)
	assert.Equal(t, 2, srv.Count(agstest.SignOut))
}

func TestSignOut_RequiresALiveAccessToken(t *testing.T) {
	srv, fake := startServer(t, agstest.Config{})
	tok := signOn(t, srv)
	assertRefused(t, 403, 20020, signOut(t, srv, tok.Refresh))
	fake.Advance(time.Hour)
	assertRefused(t, 403, 20020, signOut(t, srv, tok.Access))
	assert.Equal(t, 1, srv.Stats().LiveSessions)
	assert.Equal(t, 2, srv.Count(agstest.SignOut))
}
