package pool_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/ags"
	"github.com/agsauth/agsauth/clock"
	"github.com/agsauth/agsauth/pool"
	"github.com/agsauth/agsauth/tokensource"
)

// withGate limits a scenario to so many starts a second, and keeps all tokens fresh.
func withGate(perSecond float64) func(*fixture) {
	return func(f *fixture) {
		f.cfg.Gate = tokensource.NewGate(tokensource.GateConfig{PerSecond: perSecond, Concurrent: 16})
		f.cfg.KeepAlive, f.cfg.Store = pool.Tokens, nil
	}
}

// Two thousand sessions that signed on together, one refresh a second: that takes 2,000 of
// the 3,600 seconds. Refreshes ahead of time alone can do it.
func TestGate_ACohortIsSpread(t *testing.T) {
	scenario(t, withGate(1), func(t *testing.T, f *fixture) {
		began := time.Now()
		f.signOn(names(2000)...)
		f.run()
		sleep(3 * accessLife)
		f.gw.wantRate(t, 1)
		f.gw.wantNoneDead(t)
		assert.Zero(t, f.pool.Status().Expired)
		// As late as possible: 2,000 at four fifths of the rate take 2,500 of the 3,590 s.
		assert.InDelta(t, 1090, first(f.gw.refreshes()).at.Sub(began).Seconds(), 5)
		assert.InDelta(t, 3*2000, f.gw.count(), 1250, "each one about once an hour")
	})
}

func TestGate_NothingIsRefreshedEarlyWhenItFits(t *testing.T) {
	scenario(t, withGate(10), func(t *testing.T, f *fixture) {
		began := time.Now()
		f.signOn(names(100)...)
		f.run()
		sleep(2 * accessLife)
		f.gw.wantRate(t, 10)
		f.gw.wantNoneDead(t)
		assert.GreaterOrEqual(t, first(f.gw.refreshes()).at.Sub(began), 54*time.Minute)
	})
}

// While the gateway is away nothing is refreshed ahead of time; afterwards those that live
// are refreshed in time.
func TestGate_AnOutage(t *testing.T) {
	scenario(t, withGate(1), func(t *testing.T, f *fixture) {
		f.signOn(names(500)...)
		f.run()
		sleep(3*accessLife + 40*time.Minute)
		before := f.gw.count()
		f.gw.set(func(g *gateway) {
			g.fail = func(string) error { return &ags.Error{Op: "refresh", Status: 503, Message: "busy"} }
		})
		sleep(5 * time.Minute)
		assert.LessOrEqual(t, f.gw.count()-before, 330, "calls while the gateway was away")
		f.gw.set(func(g *gateway) { g.fail = nil })
		sleep(2 * accessLife)
		f.gw.wantRate(t, 1)
		assert.Zero(t, f.pool.Status().Expired)
		assert.Zero(t, f.pool.Status().Ended)
	})
}

// A caller with a live token never waits, however many wait at the Gate.
func TestGate_ACallerWithALiveTokenDoesNotWait(t *testing.T) {
	scenario(t, withGate(0.01), func(t *testing.T, f *fixture) {
		f.run()
		f.signOn(names(50)...)
		sleep(59 * time.Minute)
		assert.Positive(t, f.pool.Status().Queued)
		for _, key := range names(50) {
			began := time.Now()
			_, err := f.pool.Session(key).TokenContext(t.Context())
			require.NoError(t, err)
			assert.Zero(t, time.Since(began))
		}
	})
}

// The clock is set forward by a day, or the machine sleeps for one: all tokens are dead at
// once. They are refreshed within the rate.
func TestGate_AJumpOfTheClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := clock.NewFake(time.Date(2022, 6, 10, 15, 0, 0, 0, time.UTC))
		gw := newGateway()
		gw.now = fake.Now
		p, err := pool.New(pool.Config{
			Refresher: gw, KeepAlive: pool.Tokens, Clock: fake,
			Gate: tokensource.NewGate(tokensource.GateConfig{PerSecond: 10, Clock: fake}),
		})
		require.NoError(t, err)
		for _, key := range names(200) {
			require.NoError(t, p.Session(key).SetToken(t.Context(), gw.grant(key)))
		}
		ended := make(chan error, 1)
		go func() { ended <- p.Run(t.Context()) }()
		synctest.Wait()
		fake.Suspend(24 * time.Hour)
		for range 1000 {
			fake.Advance(100 * time.Millisecond)
			synctest.Wait()
		}
		gw.wantRate(t, 10)
		gw.wantNoProblem(t)
		assert.Equal(t, 200, gw.count(), "all were found within a minute, and refreshed once")
		assert.Equal(t, 200, p.Status().Fresh)
		require.NoError(t, p.Drain(t.Context()))
		assert.Equal(t, pool.ErrClosed, <-ended)
	})
}

// Many dormant sessions become due at once. They are brought into memory in turn, and the
// rate holds.
func TestGate_ManyDormantSessionsBecomeDue(t *testing.T) {
	scenario(t, func(f *fixture) {
		withGate(2)(f)
		f.cfg.KeepAlive, f.cfg.Store = pool.Sessions, f.stores.store
		f.cfg.MaxResident = 10
	}, func(t *testing.T, f *fixture) {
		f.run()
		f.signOn(names(100)...)
		sleep(time.Hour)
		assert.Equal(t, pool.Status{Dormant: 100}, f.pool.Status())
		sleep(slidingLife)
		f.gw.wantRate(t, 2)
		assert.Equal(t, 100, f.gw.count(), "each one once, ahead of the end of its refresh token")
		assert.Equal(t, pool.Status{Dormant: 100}, f.pool.Status())
		assert.Equal(t, 0, f.stores.refused)
	})
}
