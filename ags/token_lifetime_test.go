package ags_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/ags"
	"github.com/agsauth/agsauth/clock"
)

func TestTokenResponse_Lifetimes(t *testing.T) {
	for _, tc := range []struct {
		written string
		want    float64 // seconds, 0 for none
		zeroBad bool    // an error for expires_in, otherwise none
		bad     bool    // an error
	}{
		{written: `3600`, want: 3600},
		{written: `3600.0`, want: 3600},
		{written: `1e3`, want: 1000},
		{written: `1.5`, want: 1.5},
		{written: `"3600"`, want: 3600},
		{written: `" 3600 "`, want: 3600},
		{written: `"1e3"`, want: 1000},
		{written: `315360000`, want: 315360000},
		{written: `null`},
		{written: `0`, zeroBad: true},
		{written: `-0`, zeroBad: true},
		{written: `"0"`, zeroBad: true},
		{written: `1e-12`, zeroBad: true},
		{written: `-1`, bad: true},
		{written: `"-1"`, bad: true},
		{written: `315360001`, bad: true},
		{written: `1e999`, bad: true},
		{written: `-1e999`, bad: true},
		{written: `""`, bad: true},
		{written: `"soon"`, bad: true},
		{written: `"inf"`, bad: true},
		{written: `"NaN"`, bad: true},
		{written: `"0x10"`, bad: true},
		{written: `"1_000"`, bad: true},
		{written: `"+1"`, bad: true},
		{written: `true`, bad: true},
		{written: `[3600]`, bad: true},
		{written: `{}`, bad: true},
	} {
		for name, at := range map[string]func(*ags.Token) time.Time{
			"expires_in":               func(t *ags.Token) time.Time { return t.ExpiresAt },
			"refresh_expires_in":       func(t *ags.Token) time.Time { return t.RefreshExpiresAt },
			"fixed_refresh_expires_in": func(t *ags.Token) time.Time { return t.FixedExpiresAt },
		} {
			t.Run(name+"="+tc.written, func(t *testing.T) {
				token, err := refreshAt(t, issued, testToken(), fmt.Sprintf(`{"access_token":"a",%q:%s}`, name, tc.written))
				if tc.bad || tc.zeroBad && name == "expires_in" {
					require.ErrorIs(t, err, ags.ErrProtocol)
					assert.Contains(t, err.Error(), name)
					return
				}
				require.NoError(t, err)
				assertInstant(t, secondsAfter(issued, tc.want), at(token), name)
			})
		}
	}
}

func TestTokenResponse_IssuedAtIsWallTimeOfSending(t *testing.T) {
	c, tr := newClient(t, func(c *ags.Config) { c.Clock = nil }, respond(200, tokenJSON()))
	before := time.Now()
	token, err := c.Refresh(t.Context(), testToken())
	require.NoError(t, err)
	tr.only()
	assert.WithinRange(t, token.IssuedAt, before.Round(0), time.Now().Round(0))
	assert.Equal(t, token.IssuedAt.Round(0), token.IssuedAt, "without a monotonic reading")
	assert.Equal(t, token.ExpiresAt.Round(0), token.ExpiresAt)
}

func TestTokenResponse_LifetimesCountFromSending(t *testing.T) {
	fake := clock.NewFake(issued)
	slow := func(r *http.Request) (*http.Response, error) {
		fake.Advance(20 * time.Second)
		return respond(200, tokenJSON())(r)
	}
	c, tr := newClient(t, func(c *ags.Config) { c.Clock = fake }, slow)
	token, err := c.Refresh(t.Context(), testToken())
	require.NoError(t, err)
	tr.only()
	assertInstant(t, issued, token.IssuedAt, "issued")
	assertInstant(t, issued.Add(time.Hour), token.ExpiresAt, "access")
}

// jwtExpiring returns a JWT whose claims are so many seconds after issued. Zero omits a claim.
func jwtExpiring(exp, fixed int64) string {
	claims := map[string]any{"typ": "DevAuthN"}
	if exp != 0 {
		claims["exp"] = issued.Unix() + exp
	}
	if fixed != 0 {
		claims["fixed_exp"] = issued.Unix() + fixed
	}
	return jwt(toJSON(claims))
}

// Keeps G2.
func TestTokenResponse_ClaimsAndSkew(t *testing.T) {
	type want struct{ access, refresh, fixed float64 } // seconds after our time of sending
	access, refresh := jwtExpiring(3600, 2592000), jwtExpiring(172800, 2592000)
	jwts := func(fields ...any) []any {
		return append([]any{"access_token", access, "refresh_token", refresh}, fields...)
	}
	tokens := func(access, refresh string) []any { return []any{"access_token", access, "refresh_token", refresh} }
	noLifetimes := []any{"expires_in", nil, "refresh_expires_in", nil, "fixed_refresh_expires_in", nil}
	date := issued.UTC().Format(http.TimeFormat)
	later := issued.Add(10 * time.Minute).UTC().Format(http.TimeFormat)
	all, sooner := want{3600, 172800, 2592000}, want{3600, 172800, 1000000}
	for _, tc := range []struct {
		name   string
		fields []any
		date   string
		want   want
		behind want // if our clock is an hour behind
	}{
		{"all present", jwts(), "", all, all},
		{"no expires_in: corrected by the refresh token", jwts("expires_in", nil), "", all, all},
		{"no refresh_expires_in: corrected by the access token", jwts("refresh_expires_in", nil), "", all, all},
		{"zero means absent", jwts("refresh_expires_in", 0, "fixed_refresh_expires_in", 0), "", all, all},
		{"claims alone: corrected by Date", jwts(noLifetimes...), date, all, all},
		{"claims alone: not corrected without Date", jwts(noLifetimes...), "", all, want{7200, 176400, 2595600}},
		{"exp and expires_in before Date", jwts(), later, all, all},
		{"opaque tokens", nil, date, all, all},
		{"nothing present", noLifetimes, date, want{}, want{}},
		{"fixed_exp before fixed_refresh_expires_in", tokens(jwtExpiring(3600, 1000000), "opaque"), "", sooner, sooner},
		{"fixed_exp of the refresh token only", tokens(jwtExpiring(3600, 0), jwtExpiring(172800, 1000000)), "", sooner, sooner},
		{"the earlier fixed_exp of two", tokens(jwtExpiring(3600, 2000000), jwtExpiring(172800, 1000000)), "", sooner, sooner},
		{
			"fixed_exp does not correct the clock", tokens(jwtExpiring(0, 1592000), jwtExpiring(0, 1592000)), date,
			want{3600, 172800, 1592000},
			want{3600, 172800, 1592000},
		},
		{"an exp too far ahead does not correct the clock", tokens(jwtExpiring(9000000000, 2592000), refresh), "", all, all},
		{"a fixed_exp too far ahead", tokens(jwtExpiring(3600, 9000000000), jwtExpiring(172800, 9000000000)), "", all, all},
		{
			"claims before the issue time", append(tokens(jwtExpiring(-10, -10), "opaque"), "expires_in", nil), date,
			want{0, 172800, 2592000},
			want{0, 172800, 2592000},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			for at, want := range map[time.Time]want{issued: tc.want, issued.Add(-time.Hour): tc.behind} {
				token, err := refreshAt(t, at, testToken(), tokenJSON(tc.fields...), "Date", tc.date)
				require.NoError(t, err)
				assertInstant(t, at, token.IssuedAt, "issued")
				assertInstant(t, secondsAfter(at, want.access), token.ExpiresAt, "access")
				assertInstant(t, secondsAfter(at, want.refresh), token.RefreshExpiresAt, "refresh")
				assertInstant(t, secondsAfter(at, want.fixed), token.FixedExpiresAt, "fixed")
			}
		})
	}
}

func TestTokenResponse_SkewBelowASecondIsIgnored(t *testing.T) {
	body := tokenJSON("access_token", jwtExpiring(3600, 2592000), "refresh_token", jwtExpiring(172800, 2592000))
	for off, corrected := range map[time.Duration]bool{
		-999 * time.Millisecond: false, 0: false, 999 * time.Millisecond: false,
		-time.Second: true, time.Second: true, 50 * 365 * 24 * time.Hour: true, -50 * 365 * 24 * time.Hour: true,
	} {
		token, err := refreshAt(t, issued.Add(off), testToken(), body)
		require.NoError(t, err)
		want := issued.Add(2592000 * time.Second)
		if corrected {
			want = want.Add(off)
		}
		assertInstant(t, want, token.FixedExpiresAt, off.String())
		assertInstant(t, issued.Add(off).Add(time.Hour), token.ExpiresAt, off.String())
	}
}

func TestTokenResponse_MillisecondClaims(t *testing.T) {
	body := tokenJSON("access_token", jwt(`{"exp":1654877093250,"fixed_exp":1657465493250}`), "refresh_token", "opaque", "expires_in", nil)
	token, err := refreshAt(t, issued, testToken(), body)
	require.NoError(t, err)
	assertInstant(t, time.UnixMilli(1654877093250), token.ExpiresAt, "access")
	assertInstant(t, time.UnixMilli(1657465493250), token.FixedExpiresAt, "fixed")
}

// A larger claim is milliseconds.
func TestTokenResponse_LargestClaimInSeconds(t *testing.T) {
	const last = 100_000_000_000
	date := time.Unix(last, 0).Add(-time.Hour).UTC().Format(http.TimeFormat)
	body := tokenJSON("access_token", jwt(`{"exp":100000000000}`), "refresh_token", "opaque", "expires_in", nil)
	token, err := refreshAt(t, issued, testToken(), body, "Date", date)
	require.NoError(t, err)
	assertInstant(t, issued.Add(time.Hour), token.ExpiresAt, "access")
}
