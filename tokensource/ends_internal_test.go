package tokensource

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/agsauth/agsauth/ags"
)

// More of the pure core: when a session ends, whose it is, and what a failed login
// means for it.

// told is a pair issued at the base, with these lives; a life of zero is one that is
// not told.
func told(access, refresh, fixed time.Duration, refreshable bool) *session {
	t := pair(at(0), refresh, fixed)
	t.ExpiresAt = base.Add(access)
	if access == 0 {
		t.ExpiresAt = time.Time{}
	}
	if !refreshable {
		t.RefreshToken = ags.Secret{}
	}
	return newSession(arrival{token: t, from: granted, at: at(0)}, &settings{})
}

func TestSession_WhenItEndsAndUntilWhenItIsServed(t *testing.T) {
	const hour, day = time.Hour, 24 * time.Hour
	for _, tt := range []struct {
		name          string
		access, fixed time.Duration
		refreshable   bool
		end, expiry   time.Duration
	}{
		{"refreshable, to the fixed horizon", hour, day, true, day, hour},
		{"refreshable, without one", hour, 0, true, 0, hour},
		{"refreshable, beyond it", day, hour, true, hour, hour},
		{"not refreshable, to its expiry", hour, day, false, hour, hour},
		{"not refreshable, without a fixed horizon", hour, 0, false, hour, hour},
		{"not refreshable, beyond it", day, hour, false, hour, hour},
		{"not refreshable, without an expiry", 0, day, false, day, day},
		{"of no known end", 0, 0, true, 0, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := told(tt.access, 0, tt.fixed, tt.refreshable)
			after := func(d time.Duration) time.Time {
				if d == 0 {
					return time.Time{}
				}
				return base.Add(d)
			}
			assert.Equal(t, after(tt.end), s.endsAt(), "what is announced")
			assert.Equal(t, after(tt.expiry), s.bearer.Load().Expiry, "what callers are told")
		})
	}
}

func TestEndAt(t *testing.T) {
	const hour, day, now = time.Hour, 24 * time.Hour, 100 * time.Hour
	for _, tt := range []struct {
		name                   string
		reason                 Reason
		access, refresh, fixed time.Duration
		refreshable            bool
		want                   time.Duration
	}{
		{"the fixed horizon", FixedExpired, hour, 2 * hour, day, true, day},
		{"the refresh token's", RefreshExpired, hour, 2 * hour, day, true, 2 * hour},
		{"not told of the refresh token: the access token's", RefreshExpired, hour, 0, day, true, hour},
		{"no refresh token, whatever is told of it", RefreshExpired, hour, 2 * hour, day, false, hour},
		{"no refresh token, nor told of the access token", RefreshExpired, 0, 2 * hour, day, false, 2 * hour},
		{"no refresh token, and the access token lives longer", RefreshExpired, 3 * hour, 2 * hour, day, false, 2 * hour},
		{"nothing told: when it was noticed", RefreshExpired, 0, 0, 0, true, now},
		{"a rejection: when it was noticed", RefreshRejected, hour, 2 * hour, day, true, now},
		{"a sign-out: when it was made", SignedOut, hour, 2 * hour, day, true, now},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := told(tt.access, tt.refresh, tt.fixed, tt.refreshable)
			assert.Equal(t, base.Add(tt.want), endAt(s, tt.reason, at(now)))
		})
	}
	assert.Equal(t, base.Add(now), endAt(nil, NoSession, at(now)))
}

func TestDiffer(t *testing.T) {
	assert.True(t, differ("PUB_1", "PUB_2"))
	assert.False(t, differ("PUB_1", "PUB_1"))
	assert.False(t, differ("", "PUB_1"), "one that is not known may be the same")
	assert.False(t, differ("PUB_1", ""))
	assert.False(t, differ("", ""))
}

func TestClassifyLogin(t *testing.T) {
	for name, tt := range map[string]struct {
		err  error
		want class
	}{
		"wrong credentials":            {&ags.Error{Status: 401}, refusal},
		"an account suspended":         {&ags.Error{Status: 403, Code: 20002}, refusal},
		"somebody else's":              {errors.New("boom"), refusal},
		"busy":                         {&ags.Error{Status: 503}, passing},
		"timed out":                    {&ags.Error{Status: 408}, passing},
		"too early":                    {&ags.Error{Status: 425}, passing},
		"no answer":                    {&ags.Error{}, passing},
		"a firewall's 403":             {&ags.Error{Status: 403, Malformed: true}, passing},
		"a store that is away":         {&storeError{"load", errors.New("boom")}, passing},
		"a record that is damaged":     {errDamaged, passing},
		"a record that is newer":       {errNewer, passing},
		"a record that is sealed":      {errSealed, passing},
		"a lock held by somebody else": {errLockHeld, passing},
		"a turn that was not had":      {errTurnTaken, passing},
	} {
		assert.Equal(t, tt.want, classifyLogin(tt.err), name)
	}
}
