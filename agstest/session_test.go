package agstest_test

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/agstest"
)

func TestSession_AccessTokenExpiresToTheSecond(t *testing.T) {
	srv, fake := startServer(t, agstest.Config{AccessLifetime: time.Minute})
	tok := signOn(t, srv)
	// The token was issued 400 ms after the whole second from which its lifetime counts.
	fake.Advance(time.Minute - 400*time.Millisecond - 1)
	assert.True(t, accepted(t, srv, tok.Access))
	fake.Advance(1)
	assert.False(t, accepted(t, srv, tok.Access))
	assert.Equal(t, 2, srv.Count(agstest.API))
}

func TestSession_RefreshExtendsTheRefreshLifetime(t *testing.T) {
	srv, fake := startServer(t, agstest.Config{RefreshLifetime: time.Hour})
	tok := signOn(t, srv)
	for range 3 {
		fake.Advance(50 * time.Minute)
		tok = refresh(t, srv, tok.Refresh).tokens(t, http.StatusOK)
	}
	fake.Advance(time.Hour)
	assertRefused(t, 401, 0, refresh(t, srv, tok.Refresh))
	assert.Equal(t, 4, srv.Count(agstest.Refresh))
	assert.Equal(t, 3, srv.Stats().Refreshes)
	assert.Equal(t, 1, srv.Stats().LiveSessions, "the session itself has not expired")
}

func TestSession_FixedLifetime(t *testing.T) {
	srv, fake := startServer(t, agstest.Config{FixedLifetime: 2 * time.Hour})
	tok := signOn(t, srv)
	fixedAt := func() time.Time {
		info, ok := srv.Inspect(tok.Refresh)
		require.True(t, ok)
		return info.FixedExpiresAt
	}
	end := start().Truncate(time.Second).Add(2 * time.Hour)
	assert.True(t, fixedAt().Equal(end))
	fake.Advance(90 * time.Minute)
	tok = refresh(t, srv, tok.Refresh).tokens(t, http.StatusOK)
	assert.True(t, fixedAt().Equal(end))
	assert.EqualValues(t, 30*60, tok.FixedExpiresIn, "the remaining lifetime")

	fake.Advance(30 * time.Minute)
	assertRefused(t, 401, 0, refresh(t, srv, tok.Refresh), "even after a recent refresh")
	assert.False(t, accepted(t, srv, tok.Access), "the access token ends with the session")
	assert.Zero(t, srv.Stats().LiveSessions)
	assert.Equal(t, 2, srv.Count(agstest.Refresh))
	assert.Equal(t, 1, srv.Count(agstest.API))
}

func TestSession_LifetimesAreWholeSeconds(t *testing.T) {
	srv, _ := startServer(t, agstest.Config{AccessLifetime: 1, RefreshLifetime: 1500 * time.Millisecond, FixedLifetime: -1})
	tok := signOn(t, srv)
	assert.EqualValues(t, 1, tok.ExpiresIn)
	assert.EqualValues(t, 2, tok.RefreshExpiresIn)
	assert.EqualValues(t, 2592000, tok.FixedExpiresIn)
	assert.Equal(t, 1, srv.Count(agstest.SignOn))
}

func TestSession_ForgetsOldTokens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := startInMemory(t, agstest.Config{})
		first := signOn(t, srv)
		tok := first
		for range agstest.KeptPairs - 1 {
			tok = refresh(t, srv, tok.Refresh).tokens(t, http.StatusOK)
		}
		_, known := srv.Inspect(first.Refresh)
		assert.True(t, known)
		tok = refresh(t, srv, tok.Refresh).tokens(t, http.StatusOK)
		_, known = srv.Inspect(first.Refresh)
		assert.False(t, known)
		assertRefused(t, 403, 20020, refresh(t, srv, first.Refresh))
		refresh(t, srv, tok.Refresh).tokens(t, http.StatusOK)
		assert.Equal(t, agstest.KeptPairs+2, srv.Count(agstest.Refresh))
	})
}

func TestSession_ForgetsTokensOfOldSessions(t *testing.T) {
	for name, c := range map[string]struct {
		end   func(*testing.T, *agstest.Server, tokens)
		known bool
	}{
		"signed out, access token expired": {func(t *testing.T, srv *agstest.Server, tok tokens) {
			t.Helper()
			signOut(t, srv, tok.Access)
			time.Sleep(time.Hour)
		}, false},
		"expired":                       {func(*testing.T, *agstest.Server, tokens) { time.Sleep(30 * 24 * time.Hour) }, false},
		"signed out, access token live": {func(t *testing.T, srv *agstest.Server, tok tokens) { t.Helper(); signOut(t, srv, tok.Access) }, true},
		"access token expired, refresh token live": {func(*testing.T, *agstest.Server, tokens) { time.Sleep(time.Hour) }, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				srv := startInMemory(t, agstest.Config{DeviceLimit: 2 * agstest.KeptSessions})
				all := make([]tokens, 2*agstest.KeptSessions-1)
				for i := range all {
					all[i] = signOn(t, srv)
				}
				for _, tok := range all[1:] {
					signOut(t, srv, tok.Access)
				}
				c.end(t, srv, all[0])
				last := signOn(t, srv)
				for tok, known := range map[*tokens]bool{&all[0]: c.known, &all[agstest.KeptSessions]: true, &last: true} {
					_, is := srv.Inspect(tok.Refresh)
					assert.Equal(t, known, is)
				}
				refresh(t, srv, last.Refresh).tokens(t, http.StatusOK)
			})
		})
	}
}

func TestSession_AccessEndsWithSession(t *testing.T) {
	ends := map[string]func(*agstest.Server, tokens){
		"sign-out":          func(srv *agstest.Server, tok tokens) { signOut(t, srv, tok.Access) },
		"revocation":        func(srv *agstest.Server, _ tokens) { srv.RevokeSessions() },
		"suspended account": func(srv *agstest.Server, tok tokens) { srv.SuspendAccount(tok.Account) },
		"deleted device":    func(srv *agstest.Server, tok tokens) { srv.DeleteDevice(tok.ClientID) },
	}
	for name, end := range ends {
		t.Run(name, func(t *testing.T) {
			strict, _ := startServer(t, agstest.Config{AccessEndsWithSession: true})
			lax, _ := startServer(t, agstest.Config{})
			for _, srv := range []*agstest.Server{strict, lax} {
				tok := signOn(t, srv)
				require.True(t, accepted(t, srv, tok.Access))
				end(srv, tok)
				assert.Equal(t, srv == lax, accepted(t, srv, tok.Access))
				assert.Equal(t, 2, srv.Count(agstest.API))
			}
		})
	}
}

func TestSession_NewestAccessOnly(t *testing.T) {
	strict, _ := startServer(t, agstest.Config{NewestAccessOnly: true})
	lax, _ := startServer(t, agstest.Config{})
	for _, srv := range []*agstest.Server{strict, lax} {
		old := signOn(t, srv)
		tok := refresh(t, srv, old.Refresh).tokens(t, http.StatusOK)
		assert.True(t, accepted(t, srv, tok.Access))
		assert.Equal(t, srv == lax, accepted(t, srv, old.Access))
		assert.Equal(t, 2, srv.Count(agstest.API))
	}
}

func TestSession_InABubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := startInMemory(t, agstest.Config{})
		tok := signOn(t, srv)
		for range 29 {
			time.Sleep(24 * time.Hour)
			tok = refresh(t, srv, tok.Refresh).tokens(t, http.StatusOK)
		}
		assert.True(t, accepted(t, srv, tok.Access))
		assert.EqualValues(t, 24*60*60, tok.FixedExpiresIn)
		time.Sleep(24 * time.Hour)
		assertRefused(t, 401, 0, refresh(t, srv, tok.Refresh))
		assert.Equal(t, 30, srv.Count(agstest.Refresh))
	})
}
