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
	scenario(t, withLoginOnly, func(t *testing.T, f *fixture) {
		f.gw.Logins.Hold()
		collect := f.startCallers(t.Context(), 50)
		assert.Equal(t, 1, f.gw.Logins.Count())
		f.gw.Logins.Release()
		wantAll(t, collect, "a2")
		assert.Equal(t, tokensource.NoSession, f.gw.Logins.Calls()[0].Reason)
		assert.Equal(t, []string{"session ended", "logged in"}, f.events.kinds())
	})
}

func TestLogin_RunsWithinTheMarginBeforeTheFixedExpiry(t *testing.T) {
	scenario(t, func(f *fixture, c *tokensource.Config) {
		withLogin(f, c)
		f.gw.fixed = access
		c.Token = f.gw.signOn()
	}, func(t *testing.T, f *fixture) {
		first := f.src.LoginRequired()
		for range 3 * 60 * 60 {
			f.clock.Advance(time.Second)
			_, err := f.ask()
			require.NoError(t, err, "callers do not notice the fixed expiry")
		}
		assert.Equal(t, 3, f.gw.Logins.Count())
		assert.Zero(t, f.gw.Refreshes.Count(), "a refresh would not extend the session")
		assert.False(t, closed(first), "nothing has ended")
		asked := f.gw.Logins.Calls()[0]
		assert.Equal(t, tokensource.FixedExpired, asked.Reason)
		assert.Equal(t, start.Add(access), asked.At)
		assert.Equal(t, "PUB_989", asked.ClientID)
	})
}

func TestLogin_RunsWithinTheMarginOfATokenThatCannotBeRefreshed(t *testing.T) {
	scenario(t, func(f *fixture, c *tokensource.Config) {
		withLogin(f, c)
		c.Token.RefreshToken = ags.Secret{}
	}, func(t *testing.T, f *fixture) {
		f.clock.Advance(access - 5*time.Minute)
		f.want("a1")
		f.want("a2")
		require.Equal(t, 1, f.gw.Logins.Count())
		assert.Equal(t, tokensource.RefreshExpired, f.gw.Logins.Calls()[0].Reason)
		assert.Equal(t, start.Add(access), f.gw.Logins.Calls()[0].At)
		assert.Equal(t, "PUB_989", f.gw.Logins.Calls()[0].ClientID)
		assert.Zero(t, f.gw.Refreshes.Count())
	})
}

func TestLogin_StartsAtOnceWhenTheRefreshIsRejected(t *testing.T) {
	scenario(t, withLogin, func(t *testing.T, f *fixture) {
		f.gw.Refreshes.Fail(errUnauthorized)
		f.gw.Logins.Hold()
		f.clock.Advance(access - 5*time.Minute)
		f.want("a1")
		f.want("a1") // in use until it expires, while the login is in flight
		assert.Equal(t, 1, f.gw.Logins.Count())
		assert.ErrorIs(t, f.gw.Logins.Calls()[0], ags.ErrUnauthorized)
		f.clock.Advance(5 * time.Minute)
		collect := f.startCallers(t.Context(), 3)
		f.gw.Logins.Release()
		wantAll(t, collect, "a2")
		assert.Equal(t, 1, f.gw.Refreshes.Count())
	})
}

func TestLogin_ItsContextIsMarkedAndIsCancelledByClose(t *testing.T) {
	scenario(t, withLoginOnly, func(t *testing.T, f *fixture) {
		f.gw.Logins.Hold()
		ctx, cancel := context.WithCancel(t.Context())
		collect := f.startCallers(ctx, 1)
		cancel()
		collect()
		assert.NoError(t, f.gw.Logins.Context(0).Err(), "does not end with the caller's context")
		_, err := f.src.TokenContext(f.gw.Logins.Context(0))
		assert.ErrorContains(t, err, "Login")
		assert.ErrorContains(t, f.src.SetToken(f.gw.Logins.Context(0), f.gw.grant()), "Login")
		assert.ErrorContains(t, f.src.SignOut(f.gw.Logins.Context(0)), "Login")
		require.NoError(t, f.src.Close())
		assert.ErrorIs(t, context.Cause(f.gw.Logins.Context(0)), tokensource.ErrClosed)
	})
}

func TestLogin_IsNotRepeatedDuringSetToken(t *testing.T) {
	slow := make(chan struct{})
	scenario(t, func(f *fixture, c *tokensource.Config) {
		withLogin(f, c)
		slow = make(chan struct{})
		c.Token, c.Rand = nil, func() float64 { <-slow; return 0 } // blocks SetToken
	}, func(t *testing.T, f *fixture) {
		f.gw.Logins.Hold()
		collect := f.startCallers(t.Context(), 3)
		assert.Equal(t, 1, f.gw.Logins.Count())
		set := make(chan error)
		go func() { set <- f.src.SetToken(t.Context(), f.gw.signOn()) }()
		synctest.Wait()
		assert.Equal(t, 1, f.gw.Logins.Count(), "each sign-on may register a device")
		close(slow)
		require.NoError(t, <-set)
		wantAll(t, collect, "a2")
		assert.Equal(t, []string{"session ended", "token set"}, f.events.kinds())
	})
}

func TestLogin_IsSupersededBySetToken(t *testing.T) {
	scenario(t, withLoginOnly, func(t *testing.T, f *fixture) {
		f.gw.Logins.Hold()
		collect := f.startCallers(t.Context(), 1)
		require.NoError(t, f.src.SetToken(t.Context(), f.gw.signOn()))
		assert.Equal(t, answer{token: "a2"}, collect()[0])
		synctest.Wait()
		assert.Error(t, f.gw.Logins.Context(0).Err(), "the superseded login is cancelled")
		f.want("a2")
	})
}

func TestLogin_DoesNotRunAfterASignOut(t *testing.T) {
	scenario(t, withLogin, func(t *testing.T, f *fixture) {
		require.NoError(t, f.src.SignOut(t.Context()))
		f.wantEnded(tokensource.SignedOut)
		assert.Zero(t, f.gw.Logins.Count())
	})
}

func TestLogin_AdoptsTheLoginOfAnotherProcess(t *testing.T) {
	scenario(t, func(f *fixture, c *tokensource.Config) {
		withLogin(f, c)
		f.memory = &store.Memory{}
		c.Store = f.memory
	}, func(t *testing.T, f *fixture) {
		f.want("a1")
		other := f.otherProcesses(1)[0]
		_, err := other.TokenContext(t.Context())
		require.NoError(t, err)
		f.clock.Advance(sliding)
		require.NoError(t, other.SetToken(t.Context(), f.gw.signOn()))
		f.want("a3")
		assert.Zero(t, f.gw.Logins.Count(), "no login is made")
		assert.Zero(t, f.events.count(tokensource.EventEnded), "no end is emitted")
		require.NoError(t, other.Close())
	})
}

func TestLogin_DoesNotRunWhileTheStoreCannotBeRead(t *testing.T) {
	scenarioWithStore(t, withLoginOnly, func(t *testing.T, f *fixture, fake *lockingStore) {
		fake.setUnavailable(errUnreachable)
		for range 60 {
			f.wantUnavailable()
			f.clock.Advance(time.Second)
		}
		assert.Zero(t, f.gw.Logins.Count())
		fake.setUnavailable(nil)
		f.clock.Advance(10 * time.Second)
		f.want("a2")
		assert.Equal(t, 1, f.gw.Logins.Count())
		assert.Equal(t, "a2 r2", fake.pair())
	})
}
