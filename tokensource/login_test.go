package tokensource_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/ags"
	"github.com/agsauth/agsauth/store"
	"github.com/agsauth/agsauth/tokensource"
)

func TestLogin_RunsOnceForAllWaiters(t *testing.T) {
	story(t, withLoginOnly, func(t *testing.T, r *rig) {
		r.gw.Logins.Hold()
		collect := r.callers(t.Context(), 50)
		assert.Equal(t, 1, r.gw.Logins.Count())
		r.gw.Logins.Release()
		for _, a := range collect() {
			require.Equal(t, answer{token: "a2"}, a)
		}
		assert.Equal(t, tokensource.NoSession, r.gw.Logins.Calls()[0].Reason)
		assert.Equal(t, []string{"session ended", "logged in"}, r.events.kinds())
	})
}

func TestLogin_RunsWithinTheMarginBeforeTheFixedExpiry(t *testing.T) {
	story(t, func(r *rig, c *tokensource.Config) {
		withLogin(r, c)
		r.gw.fixed = access
		c.Token = r.gw.signOn()
	}, func(t *testing.T, r *rig) {
		first := r.src.LoginRequired()
		for range 3 * 60 * 60 {
			r.clock.Advance(time.Second)
			_, err := r.ask()
			require.NoError(t, err, "a service never notices the fixed horizon")
		}
		assert.Equal(t, 3, r.gw.Logins.Count())
		assert.Zero(t, r.gw.Refreshes.Count(), "a refresh would win nothing")
		assert.False(t, closed(first), "nothing has ended")
		asked := r.gw.Logins.Calls()[0]
		assert.Equal(t, tokensource.FixedExpired, asked.Reason)
		assert.Equal(t, start.Add(access), asked.At)
		assert.Equal(t, "PUB_989", asked.ClientID)
	})
}

func TestLogin_RunsWithinTheMarginOfATokenThatCannotBeRefreshed(t *testing.T) {
	story(t, func(r *rig, c *tokensource.Config) {
		withLogin(r, c)
		c.Token.RefreshToken = ags.Secret{}
	}, func(t *testing.T, r *rig) {
		r.clock.Advance(access - 5*time.Minute)
		r.want("a1")
		r.want("a2")
		require.Equal(t, 1, r.gw.Logins.Count())
		assert.Equal(t, tokensource.RefreshExpired, r.gw.Logins.Calls()[0].Reason)
		assert.Equal(t, start.Add(access), r.gw.Logins.Calls()[0].At)
		assert.Equal(t, "PUB_989", r.gw.Logins.Calls()[0].ClientID)
		assert.Zero(t, r.gw.Refreshes.Count())
	})
}

func TestLogin_StartsAtOnceWhenTheRefreshIsRejected(t *testing.T) {
	story(t, withLogin, func(t *testing.T, r *rig) {
		r.gw.Refreshes.Fail(errUnauthorized)
		r.gw.Logins.Hold()
		r.clock.Advance(access - 5*time.Minute)
		r.want("a1")
		r.want("a1") // served to its end, while the login is under way
		assert.Equal(t, 1, r.gw.Logins.Count())
		assert.ErrorIs(t, r.gw.Logins.Calls()[0], ags.ErrUnauthorized)
		r.clock.Advance(5 * time.Minute)
		collect := r.callers(t.Context(), 3)
		r.gw.Logins.Release()
		for _, a := range collect() {
			assert.Equal(t, answer{token: "a2"}, a)
		}
		assert.Equal(t, 1, r.gw.Refreshes.Count())
	})
}

func TestLogin_ItsContextIsMarkedAndIsCancelledByClose(t *testing.T) {
	story(t, withLoginOnly, func(t *testing.T, r *rig) {
		r.gw.Logins.Hold()
		ctx, cancel := context.WithCancel(t.Context())
		collect := r.callers(ctx, 1)
		cancel()
		collect()
		assert.NoError(t, r.gw.Logins.Context(0).Err(), "not with the caller's context")
		_, err := r.src.TokenContext(r.gw.Logins.Context(0))
		assert.ErrorContains(t, err, "Login")
		assert.ErrorContains(t, r.src.SetToken(r.gw.Logins.Context(0), r.gw.grant()), "Login")
		assert.ErrorContains(t, r.src.SignOut(r.gw.Logins.Context(0)), "Login")
		require.NoError(t, r.src.Close())
		assert.ErrorIs(t, context.Cause(r.gw.Logins.Context(0)), tokensource.ErrClosed)
	})
}

func TestLogin_IsNotRepeatedDuringSetToken(t *testing.T) {
	slow := make(chan struct{})
	story(t, func(r *rig, c *tokensource.Config) {
		withLogin(r, c)
		slow = make(chan struct{})
		c.Token, c.Rand = nil, func() float64 { <-slow; return 0 } // keeps SetToken half-way
	}, func(t *testing.T, r *rig) {
		r.gw.Logins.Hold()
		collect := r.callers(t.Context(), 3)
		assert.Equal(t, 1, r.gw.Logins.Count())
		set := make(chan error)
		go func() { set <- r.src.SetToken(t.Context(), r.gw.signOn()) }()
		synctest.Wait()
		assert.Equal(t, 1, r.gw.Logins.Count(), "each sign-on may register a device")
		close(slow)
		require.NoError(t, <-set)
		for _, a := range collect() {
			assert.Equal(t, answer{token: "a2"}, a)
		}
		assert.Equal(t, []string{"session ended", "token set"}, r.events.kinds())
	})
}

func TestLogin_IsSupersededBySetToken(t *testing.T) {
	story(t, withLoginOnly, func(t *testing.T, r *rig) {
		r.gw.Logins.Hold()
		collect := r.callers(t.Context(), 1)
		require.NoError(t, r.src.SetToken(t.Context(), r.gw.signOn()))
		assert.Equal(t, answer{token: "a2"}, collect()[0])
		synctest.Wait()
		assert.Error(t, r.gw.Logins.Context(0).Err(), "it is of no use any more")
		r.want("a2")
	})
}

func TestLogin_DoesNotRunAfterASignOut(t *testing.T) {
	story(t, withLogin, func(t *testing.T, r *rig) {
		require.NoError(t, r.src.SignOut(t.Context()))
		r.wantEnded(tokensource.SignedOut)
		assert.Zero(t, r.gw.Logins.Count())
	})
}

func TestLogin_AdoptsTheLoginOfAnotherProcess(t *testing.T) {
	story(t, func(r *rig, c *tokensource.Config) {
		withLogin(r, c)
		r.memory = &store.Memory{}
		c.Store = r.memory
	}, func(t *testing.T, r *rig) {
		r.want("a1")
		other := r.neighbours(1)[0]
		_, err := other.TokenContext(t.Context())
		require.NoError(t, err)
		r.clock.Advance(sliding)
		require.NoError(t, other.SetToken(t.Context(), r.gw.signOn()))
		r.want("a3")
		assert.Zero(t, r.gw.Logins.Count(), "no sign-on is spent")
		assert.Zero(t, r.events.count(tokensource.EventEnded), "nor an end announced")
		require.NoError(t, other.Close())
	})
}

func TestLogin_DoesNotRunWhileTheStoreCannotBeRead(t *testing.T) {
	onShelf(t, withLoginOnly, func(t *testing.T, r *rig, shelf *lockedShelf) {
		shelf.away(errAway)
		for range 60 {
			r.wantUnavailable()
			r.clock.Advance(time.Second)
		}
		assert.Zero(t, r.gw.Logins.Count())
		shelf.away(nil)
		r.clock.Advance(10 * time.Second)
		r.want("a2")
		assert.Equal(t, 1, r.gw.Logins.Count())
		assert.Equal(t, "a2 r2", shelf.pair())
	})
}
