package agstest_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/agstest"
)

func TestAdmin_BlockAndRestoreAccount(t *testing.T) {
	blocks := map[int]func(*agstest.Server, string) bool{
		20001: (*agstest.Server).CancelAccount,
		20002: (*agstest.Server).SuspendAccount,
	}
	for code, block := range blocks {
		srv, _ := startServer(t, agstest.Config{})
		tok := signOn(t, srv)
		require.True(t, block(srv, tok.Account))
		assertRefused(t, 403, code, refresh(t, srv, tok.Refresh))
		assertRefused(t, 403, code, signOnAgain(t, srv, tok.ClientID))
		info, _ := srv.Inspect(tok.Refresh)
		assert.False(t, info.Live)

		require.True(t, srv.RestoreAccount(tok.Account))
		refresh(t, srv, tok.Refresh).tokens(t, http.StatusOK)
		assert.Equal(t, 2, srv.Count(agstest.Refresh))
		assert.Equal(t, 2, srv.Count(agstest.SignOn))
	}
}

func TestAdmin_DisableAndEnableDevice(t *testing.T) {
	srv, _ := startServer(t, agstest.Config{})
	tok := signOn(t, srv)
	require.True(t, srv.DisableDevice(tok.ClientID))
	assertRefused(t, 403, 20004, refresh(t, srv, tok.Refresh))
	assertRefused(t, 403, 20004, signOnAgain(t, srv, tok.ClientID))
	require.True(t, srv.EnableDevice(tok.ClientID))
	refresh(t, srv, tok.Refresh).tokens(t, http.StatusOK)
	assert.Equal(t, 2, srv.Count(agstest.Refresh))
	assert.Equal(t, 2, srv.Count(agstest.SignOn))
}

func TestAdmin_DeleteDevice(t *testing.T) {
	srv, _ := startServer(t, agstest.Config{})
	tok := signOn(t, srv)
	require.True(t, srv.DeleteDevice(tok.ClientID))
	assertRefused(t, 403, 20003, refresh(t, srv, tok.Refresh))
	assertRefused(t, 403, 20003, signOnAgain(t, srv, tok.ClientID))
	assert.False(t, srv.EnableDevice(tok.ClientID))
	assert.False(t, srv.DisableDevice(tok.ClientID))
	assert.False(t, srv.DeleteDevice(tok.ClientID))
	assert.Equal(t, "PUB_2", signOn(t, srv).ClientID)
	assert.Equal(t, 1, srv.Count(agstest.Refresh))
	assert.Equal(t, 3, srv.Count(agstest.SignOn))
}

func TestAdmin_UnknownAccountOrDevice(t *testing.T) {
	srv, _ := startServer(t, agstest.Config{})
	assert.False(t, srv.SuspendAccount("unknown"))
	assert.False(t, srv.CancelAccount("unknown"))
	assert.False(t, srv.RestoreAccount("unknown"))
	assert.False(t, srv.DeleteDevice("PUB_1"))
	assert.Zero(t, srv.RevokeSessions())
	assert.Zero(t, totalCount(srv))
}

func TestAdmin_RevokeSessions(t *testing.T) {
	srv, _ := startServer(t, agstest.Config{})
	one, two, three := signOn(t, srv), signOn(t, srv), signOn(t, srv)
	assert.Equal(t, 2, srv.RevokeSessions(one.ClientID, two.ClientID, "PUB_989"))
	assert.Equal(t, 1, srv.Stats().LiveSessions)
	assertRefused(t, 401, 0, refresh(t, srv, one.Refresh))
	assertRefused(t, 401, 0, refresh(t, srv, two.Refresh))
	three = refresh(t, srv, three.Refresh).tokens(t, http.StatusOK)
	assert.Equal(t, 1, srv.RevokeSessions(), "the remaining session")
	assertRefused(t, 401, 0, refresh(t, srv, three.Refresh))
	assert.Zero(t, srv.Stats().Reuses)
	assert.Equal(t, 4, srv.Count(agstest.Refresh))
}

func TestAdmin_GeoBlockKeepsTokens(t *testing.T) {
	srv, _ := startServer(t, agstest.Config{Accounts: threeAccounts()[1:]})
	tok := signOn(t, srv)
	sessionToken, _ := post(t, srv, "/ags/getSessionToken", usernameOnly).field(t, "sessionToken").(string)
	withToken := `{"parameters":[{"name":"sessionToken","value":"` + sessionToken + `"}],"deviceInformation":{}}`

	srv.GeoBlock(true)
	assertRefused(t, 403, 20019, refresh(t, srv, tok.Refresh))
	assertRefused(t, 403, 20019, signOnAgain(t, srv, tok.ClientID))
	assertRefused(t, 403, 20019, post(t, srv, "/ags/signOnWithSessionToken", withToken))
	assertRefused(t, 403, 20019, post(t, srv, "/ags/subsequentSignOn", usernameOnly, "User-Token", "any"))
	assertRefused(t, 403, 20019, callAPI(t, srv, tok.Access))

	srv.GeoBlock(false)
	assert.True(t, accepted(t, srv, tok.Access))
	refresh(t, srv, tok.Refresh).tokens(t, http.StatusOK)
	post(t, srv, "/ags/signOnWithSessionToken", withToken).tokens(t, http.StatusCreated)
	assert.Equal(t, 2, srv.Count(agstest.Refresh))
	assert.Equal(t, 2, srv.Count(agstest.API))
}

func TestAdmin_RotateKeys(t *testing.T) {
	srv, _ := startServer(t, agstest.Config{})
	tok := signOn(t, srv)
	before, _ := decodeJWT(t, tok.Access)
	srv.RotateKeys()
	r := callAPI(t, srv, tok.Access)
	assert.Equal(t, "Bearer Token Decoding Failure", r.field(t, "result"))
	assertRefused(t, 403, 20020, refresh(t, srv, tok.Refresh))
	assert.Zero(t, srv.Stats().LiveSessions)

	tok = signOnAgain(t, srv, tok.ClientID).tokens(t, http.StatusCreated)
	after, _ := decodeJWT(t, tok.Access)
	assert.NotEqual(t, before["kid"], after["kid"])
	assert.True(t, accepted(t, srv, tok.Access))
	assert.Equal(t, 2, srv.Count(agstest.API))
	assert.Equal(t, 1, srv.Count(agstest.Refresh))
}

func TestInspect_DoesNotUseTheToken(t *testing.T) {
	srv, fake := startServer(t, agstest.Config{})
	tok := signOn(t, srv)
	issued := start().Truncate(time.Second)
	want := agstest.TokenInfo{
		AccountID: "1663", ClientID: "PUB_1", Session: 1, Generation: 1,
		ExpiresAt: issued.Add(time.Hour), FixedExpiresAt: issued.Add(30 * 24 * time.Hour), Live: true,
	}
	info, ok := srv.Inspect(tok.Access)
	assert.True(t, ok)
	assert.Equal(t, want, info)
	want.Refresh, want.ExpiresAt = true, issued.Add(48*time.Hour)
	for range 2 {
		info, ok = srv.Inspect(tok.Refresh)
		assert.True(t, ok)
		assert.Equal(t, want, info)
	}
	_, ok = srv.Inspect("forged")
	assert.False(t, ok)

	next := refresh(t, srv, tok.Refresh).tokens(t, http.StatusOK)
	info, _ = srv.Inspect(tok.Refresh)
	assert.False(t, info.Live, "used")
	info, _ = srv.Inspect(next.Refresh)
	assert.True(t, info.Live)
	assert.Equal(t, 2, info.Generation)
	fake.Advance(time.Hour)
	info, _ = srv.Inspect(next.Access)
	assert.False(t, info.Live, "expired")
	assert.Zero(t, srv.Stats().Reuses)
	assert.Equal(t, 1, srv.Count(agstest.Refresh))
}
