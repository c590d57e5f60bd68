package pool_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/clock"
	"github.com/agsauth/agsauth/pool"
	"github.com/agsauth/agsauth/tokensource"
)

func TestRun_TokensAreKeptFresh(t *testing.T) {
	scenario(t, func(f *fixture) { f.cfg.KeepAlive = pool.Tokens }, func(t *testing.T, f *fixture) {
		f.run()
		f.signOn("ada", "bob")
		for range 10 {
			sleep(accessLife)
			for _, key := range []string{"ada", "bob"} {
				assert.NotEqual(t, tokensource.Expired, f.pool.Session(key).Status().Phase)
			}
		}
		f.gw.wantNoneDead(t)
		assert.InDelta(t, 22, f.gw.count(), 2)
	})
}

func TestRun_WithSessionsOnlyTheTokenInUseIsKeptFresh(t *testing.T) {
	scenario(t, func(f *fixture) { f.cfg.Store = nil }, func(t *testing.T, f *fixture) {
		f.run()
		f.signOn("used", "idle")
		for range 12 * 40 {
			sleep(5 * time.Minute)
			_, err := f.pool.Session("used").TokenContext(t.Context())
			require.NoError(t, err)
		}
		f.gw.wantNoProblem(t)
		for _, s := range f.gw.refreshes() {
			assert.Equal(t, "used", s.key, "nothing is due for the other one within 40 hours")
			assert.Negative(t, s.dead)
		}
		assert.Greater(t, f.gw.count(), 40)

		before := f.gw.count()
		sleep(8 * time.Hour)
		idle := f.pool.Session("idle").Status()
		assert.Equal(t, tokensource.Expired, idle.Phase)
		assert.True(t, idle.RefreshExpiresAt.After(time.Now().Add(24*time.Hour)), "it was refreshed ahead of the end of its refresh token")
		assert.LessOrEqual(t, f.gw.count()-before, 2)
		f.want("idle", "idle/3")
	})
}

// A dormant session is brought back for what is due, and is dormant again afterwards.
func TestRun_WithSessionsADormantSessionOutlivesItsRefreshToken(t *testing.T) {
	scenario(t, nil, func(t *testing.T, f *fixture) {
		f.run()
		f.signOn("ada")
		sleep(2 * time.Hour)
		assert.Equal(t, pool.Status{Dormant: 1}, f.pool.Status())
		sleep(10 * slidingLife)
		assert.Equal(t, pool.Status{Dormant: 1}, f.pool.Status())
		assert.InDelta(t, 11, f.gw.count(), 2)
		_, err := f.pool.Session("ada").TokenContext(t.Context())
		assert.NoError(t, err)
	})
}

func TestRun_WithTokensADormantSessionStaysFresh(t *testing.T) {
	scenario(t, func(f *fixture) { f.cfg.KeepAlive, f.cfg.MaxResident, f.cfg.IdleAfter = pool.Tokens, 1, 100*time.Hour }, func(t *testing.T, f *fixture) {
		f.run()
		f.signOn("ada", "bob", "cy")
		sleep(10 * accessLife)
		st := f.pool.Status()
		assert.Equal(t, []int{1, 2}, []int{st.Resident, st.Dormant})
		f.gw.wantNoneDead(t)
		assert.InDelta(t, 33, f.gw.count(), 4)
	})
}

func TestRun_OnDemandStartsNothing(t *testing.T) {
	scenario(t, func(f *fixture) { f.cfg.KeepAlive = pool.OnDemand }, func(t *testing.T, f *fixture) {
		f.run()
		f.signOn("ada")
		sleep(40 * time.Hour)
		assert.Zero(t, f.gw.count())
		assert.Equal(t, pool.Status{}, f.pool.Status(), "nothing is known of a session for which nothing is to be done")
		f.want("ada", "ada/2")
	})
}

// A save that has failed is made up for, whatever is kept alive.
func TestRun_OnDemandSavesWhatIsNotSaved(t *testing.T) {
	scenario(t, func(f *fixture) { f.cfg.KeepAlive = pool.OnDemand }, func(t *testing.T, f *fixture) {
		f.run()
		f.stores.set(func(s *stores) { s.saveErr = func(string) error { return errBoom } })
		require.ErrorIs(t, f.pool.Session("ada").SetToken(t.Context(), f.gw.grant("ada")), errBoom)
		sleep(2 * time.Hour)
		assert.Equal(t, pool.Status{Resident: 1, Expired: 1, Unsaved: 1}, withoutFailing(f.pool.Status()), "it is not evicted")
		f.stores.set(func(s *stores) { s.saveErr = nil })
		sleep(2 * time.Hour)
		assert.Equal(t, pool.Status{}, f.pool.Status())
		f.want("ada", "ada/2")
	})
}

func withoutFailing(st pool.Status) pool.Status {
	st.Failing = 0
	return st
}

// timers counts the timers that are made.
type timers struct {
	clock.Real

	made atomic.Int64
}

func (c *timers) NewTimer(d time.Duration) clock.Timer {
	c.made.Add(1)
	return c.Real.NewTimer(d)
}

// At rest Run wakes once a minute, whatever the number of sessions.
func TestRun_AtRestNothingIsDone(t *testing.T) {
	c := &timers{}
	scenario(t, func(f *fixture) { f.cfg.Store, f.cfg.Clock = nil, c }, func(t *testing.T, f *fixture) {
		f.run()
		f.signOn(names(1000)...)
		sleep(time.Minute)
		before := c.made.Load()
		sleep(30 * time.Minute)
		assert.InDelta(t, 30, c.made.Load()-before, 1)
	})
}

func TestRun_Ends(t *testing.T) {
	scenario(t, nil, func(t *testing.T, f *fixture) {
		cause := errors.New("enough")
		ctx, cancel := context.WithCancelCause(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- f.pool.Run(ctx) }()
		synctest.Wait()
		assert.ErrorIs(t, f.pool.Run(t.Context()), pool.ErrRunning)
		cancel(cause)
		assert.Equal(t, cause, <-ended)

		go func() { ended <- f.pool.Run(t.Context()) }()
		synctest.Wait()
		require.NoError(t, f.pool.Drain(t.Context()))
		assert.Equal(t, pool.ErrClosed, <-ended)
		assert.Equal(t, pool.ErrClosed, f.pool.Run(t.Context()))
	})
}
