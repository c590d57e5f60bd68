package tokensource_test

import (
	"context"
	"math"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/ags"
	"github.com/agsauth/agsauth/store"
	"github.com/agsauth/agsauth/tokensource"
)

// behindGate makes the Source of a scenario wait at a gate, and returns it.
func behindGate(f *fixture, c *tokensource.Config, perSecond float64, concurrent int) *tokensource.Gate {
	c.Gate = tokensource.NewGate(tokensource.GateConfig{PerSecond: perSecond, Concurrent: concurrent, Clock: f.clock, Rand: c.Rand})
	return c.Gate
}

// gateScenario is a scenario with two Sources behind one gate that lets one call through
// at a time, and one a second.
func gateScenario(t *testing.T, set func(*fixture, *tokensource.Config), body func(*testing.T, *fixture, *tokensource.Gate, *tokensource.Source)) {
	t.Helper()
	var gate *tokensource.Gate
	scenario(t, func(f *fixture, c *tokensource.Config) {
		gate = behindGate(f, c, 1, 1)
		if set != nil {
			set(f, c)
		}
	}, func(t *testing.T, f *fixture) {
		other := f.source(func(_ *fixture, c *tokensource.Config) { c.Gate = gate })
		body(t, f, gate, other)
		f.gw.Refreshes.Release()
		closeSource(t, other)
	})
}

// asks asks a Source for a token on a goroutine.
func asks(t *testing.T, src *tokensource.Source) <-chan error {
	t.Helper()
	result := make(chan error, 1)
	go func() {
		_, err := src.TokenContext(t.Context())
		result <- err
	}()
	synctest.Wait()
	return result
}

// waitBehind lets the Source of the fixture refresh, without an answer, and has a caller of
// another wait for its own refresh.
func (f *fixture) waitBehind(other *tokensource.Source) (waiting <-chan error) {
	f.t.Helper()
	f.clock.Advance(access)
	f.gw.Refreshes.Hold()
	asks(f.t, f.src)
	return asks(f.t, other)
}

func TestGate_OneSourceWaitsForAnother(t *testing.T) {
	gateScenario(t, nil, func(t *testing.T, f *fixture, gate *tokensource.Gate, other *tokensource.Source) {
		f.clock.Advance(access)
		f.gw.Refreshes.Hold()
		first, second := asks(t, f.src), asks(t, other)
		assert.Equal(t, 1, f.gw.Refreshes.Count())
		assert.True(t, other.Status().Queued)
		assert.False(t, other.Status().Busy, "it holds nothing")
		assert.Equal(t, tokensource.GateStatus{Queued: 1, Asked: 1, InFlight: 1, PerSecond: 1}, gate.Status())

		f.gw.Refreshes.Release()
		require.NoError(t, <-first)
		synctest.Wait()
		assert.Equal(t, 1, f.gw.Refreshes.Count(), "a second has not passed")
		f.clock.Advance(time.Second)
		require.NoError(t, <-second)
		assert.Equal(t, 2, f.gw.Refreshes.Count())
		assert.False(t, other.Status().Queued)
	})
}

func TestGate_ALiveTokenIsServedWhileTheRefreshWaits(t *testing.T) {
	gateScenario(t, nil, func(t *testing.T, f *fixture, _ *tokensource.Gate, other *tokensource.Source) {
		f.clock.Advance(55 * time.Minute)
		f.gw.Refreshes.Hold()
		for range 3 {
			require.NoError(t, <-asks(t, f.src))
			require.NoError(t, <-asks(t, other))
		}
		assert.True(t, other.Status().Queued)
		assert.Equal(t, 1, f.gw.Refreshes.Count())
		bearer, err := other.TokenContext(t.Context())
		require.NoError(t, err)
		assert.Zero(t, testing.AllocsPerRun(100, func() { _, _ = other.TokenContext(t.Context()) }), "without the lock")
		assert.NotEmpty(t, bearer.AccessToken)
	})
}

func TestGate_WaitingSpendsNoTimeout(t *testing.T) {
	gateScenario(t, nil, func(t *testing.T, f *fixture, gate *tokensource.Gate, other *tokensource.Source) {
		f.clock.Advance(access)
		f.gw.Refreshes.Hold()
		gate.SetLimits(1.0/3600, 0)
		first := asks(t, f.src)
		second := asks(t, other)
		f.gw.Refreshes.Release()
		require.NoError(t, <-first)
		f.clock.Advance(30 * time.Minute)
		synctest.Wait()
		assert.Empty(t, second, "the wait has no timeout")
		f.clock.Advance(31 * time.Minute)
		require.NoError(t, <-second)
	})
}

func TestGate_ACallerThatLeavesTakesNobodyAlong(t *testing.T) {
	gateScenario(t, nil, func(t *testing.T, f *fixture, _ *tokensource.Gate, other *tokensource.Source) {
		f.clock.Advance(access)
		f.gw.Refreshes.Hold()
		asks(t, f.src)
		cancel, left := begin(t, func(ctx context.Context) error {
			_, err := other.TokenContext(ctx)
			return err
		})
		stayed := asks(t, other)
		cancel()
		require.ErrorIs(t, <-left, context.Canceled)
		f.gw.Refreshes.Release()
		synctest.Wait()
		f.clock.Advance(time.Second)
		require.NoError(t, <-stayed)
	})
}

func TestGate_CloseLeavesTheQueue(t *testing.T) {
	gateScenario(t, nil, func(t *testing.T, f *fixture, gate *tokensource.Gate, other *tokensource.Source) {
		waiting := f.waitBehind(other)
		require.NoError(t, other.Close())
		require.ErrorIs(t, <-waiting, tokensource.ErrClosed)
		assert.Zero(t, gate.Status().Queued)
		f.gw.Refreshes.Release()
		f.clock.Advance(time.Minute)
		synctest.Wait()
		assert.Equal(t, 1, f.gw.Refreshes.Count())
	})
}

func TestGate_SetTokenMakesTheWaitPointless(t *testing.T) {
	gateScenario(t, nil, func(t *testing.T, f *fixture, gate *tokensource.Gate, other *tokensource.Source) {
		waiting := f.waitBehind(other)
		require.NoError(t, other.SetToken(t.Context(), f.gw.signOn()))
		require.NoError(t, <-waiting)
		synctest.Wait()
		assert.Zero(t, gate.Status().Queued)
		assert.False(t, other.Status().Queued)
	})
}

func TestGate_SignOutMakesTheWaitPointless(t *testing.T) {
	gateScenario(t, nil, func(t *testing.T, f *fixture, gate *tokensource.Gate, other *tokensource.Source) {
		waiting := f.waitBehind(other)
		require.NoError(t, other.SignOut(t.Context()))
		require.ErrorIs(t, <-waiting, tokensource.ErrLoginRequired)
		synctest.Wait()
		assert.Zero(t, gate.Status().Queued)
	})
}

// fillGate makes calls of other Sources fail until the gateway counts as away.
func fillGate(t *testing.T, f *fixture, gate *tokensource.Gate) {
	t.Helper()
	f.gw.Refreshes.FailAlways(errRefused)
	for range 5 {
		src := f.source(func(_ *fixture, c *tokensource.Config) {
			c.Gate, c.Token = gate, &ags.Token{AccessToken: ags.NewSecret("a"), RefreshToken: ags.NewSecret("r"), IssuedAt: start.Add(-access), ExpiresAt: start}
		})
		f.clock.Advance(time.Second)
		require.ErrorIs(t, <-asks(t, src), errRefused)
		require.NoError(t, src.Close())
	}
	require.True(t, gate.Status().Away)
}

func TestGate_WhileTheGatewayIsAwayCallersAreToldAtOnce(t *testing.T) {
	gateScenario(t, nil, func(t *testing.T, f *fixture, gate *tokensource.Gate, other *tokensource.Source) {
		f.clock.Advance(access)
		fillGate(t, f, gate)
		before := f.gw.Refreshes.Count()
		later := f.wantUnavailable()
		require.ErrorIs(t, later, errRefused)
		assert.Equal(t, gate.Status().NextAt, later.NextAt)
		assert.Equal(t, before, f.gw.Refreshes.Count(), "no call was made for it")

		assert.True(t, f.src.Status().Queued, "it keeps its place")
		require.Error(t, <-asks(t, other))
		for range 10 {
			f.clock.Advance(time.Second)
			synctest.Wait()
		}
		assert.InDelta(t, before+2, f.gw.Refreshes.Count(), 1, "each session has its own back-off, too")

		f.gw.Refreshes.FailAlways(nil)
		for range 30 {
			f.clock.Advance(time.Second)
			synctest.Wait()
			_, _ = f.ask()
		}
		f.wantAny()
		assert.False(t, gate.Status().Away)
	})
}

func TestGate_CallersThatWaitAreToldWhenTheGatewayGoesAway(t *testing.T) {
	gateScenario(t, nil, func(t *testing.T, f *fixture, gate *tokensource.Gate, other *tokensource.Source) {
		f.clock.Advance(access)
		f.gw.Refreshes.Hold()
		f.gw.Refreshes.Fail(&ags.Error{Op: "refresh", Status: 503, RetryAfter: time.Minute})
		first := asks(t, f.src)
		second := asks(t, other)
		require.Empty(t, second)
		f.gw.Refreshes.Release()
		require.Error(t, <-first)
		var later *tokensource.UnavailableError
		require.ErrorAs(t, <-second, &later, "the Retry-After of one session is for all")
		assert.Equal(t, f.clock.Now().Add(time.Minute), later.NextAt)
		assert.Equal(t, gate.Status().NextAt, later.NextAt)

		f.clock.Advance(time.Minute - 1)
		synctest.Wait()
		assert.Equal(t, 1, f.gw.Refreshes.Count())
		f.clock.Advance(time.Second)
		require.NoError(t, <-asks(t, other))
	})
}

func TestGate_AnEndedSessionWaitsForItsLogin(t *testing.T) {
	gateScenario(t, withLoginOnly, func(t *testing.T, f *fixture, gate *tokensource.Gate, other *tokensource.Source) {
		f.clock.Advance(access)
		f.gw.Refreshes.Hold()
		asks(t, other)
		waiting := asks(t, f.src)
		require.Empty(t, waiting)
		assert.Zero(t, f.gw.Logins.Count())
		f.gw.Refreshes.Release()
		synctest.Wait()
		f.clock.Advance(time.Second)
		require.NoError(t, <-waiting)
		assert.Equal(t, 1, f.gw.Logins.Count())
		assert.Equal(t, 0, gate.Status().Queued)
	})
}

func TestGate_AnEndedSessionIsToldThatItsLoginMustWait(t *testing.T) {
	gateScenario(t, withLoginOnly, func(t *testing.T, f *fixture, gate *tokensource.Gate, _ *tokensource.Source) {
		fillGate(t, f, gate)
		ended := f.wantEnded(tokensource.NoSession)
		require.ErrorIs(t, ended, errRefused)
		assert.Zero(t, f.gw.Logins.Count())
	})
}

func TestGate_FirstLoadsHaveALimitOfTheirOwn(t *testing.T) {
	gateScenario(t, nil, func(t *testing.T, f *fixture, gate *tokensource.Gate, _ *tokensource.Source) {
		fillGate(t, f, gate)
		memory := &store.Memory{}
		for range 3 {
			src := f.source(func(_ *fixture, c *tokensource.Config) { c.Gate, c.Store = gate, memory })
			require.NoError(t, <-asks(t, src), "an outage of the gateway is none of the store")
			closeSource(t, src)
		}
	})
}

func TestGate_HoldsNoGoroutineForThoseWhoWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		gate := tokensource.NewGate(tokensource.GateConfig{PerSecond: 10, Concurrent: 2, Clock: f.clock})
		f.gw.Refreshes.Hold()
		all := make([]*tokensource.Source, 1000)
		for i := range all {
			all[i] = f.source(func(_ *fixture, c *tokensource.Config) { c.Gate = gate })
		}
		f.clock.Advance(access)
		before := runtime.NumGoroutine()
		for _, src := range all {
			assert.Positive(t, src.Poll(t.Context(), tokensource.KeepToken))
		}
		synctest.Wait()
		assert.Equal(t, 999, gate.Status().Queued, "a start takes a tenth of a second")
		assert.LessOrEqual(t, runtime.NumGoroutine()-before, 5)
		f.gw.Refreshes.Release()
		for f.gw.Refreshes.Count() < len(all) {
			f.clock.Advance(20 * time.Millisecond)
			synctest.Wait()
		}
		assert.InDelta(t, 100, f.clock.Now().Sub(start.Add(access)).Seconds(), 3)
		for _, src := range all {
			require.NoError(t, src.Close())
		}
	})
}

func TestGate_ThatLimitsNothing(t *testing.T) {
	for name, gate := range map[string]*tokensource.Gate{"nil": nil, "zero": {}, "without limits": tokensource.NewGate(tokensource.GateConfig{})} {
		t.Run(name, func(t *testing.T) {
			scenario(t, func(_ *fixture, c *tokensource.Config) { c.Gate = gate }, func(t *testing.T, f *fixture) {
				f.clock.Advance(access)
				f.wantAny()
				assert.Equal(t, tokensource.GateStatus{}, gate.Status())
			})
		})
	}
}

func TestGate_TheZeroGateTakesLimits(t *testing.T) {
	gate := &tokensource.Gate{}
	gate.SetLimits(5, 2)
	assert.InDelta(t, 5, gate.Status().PerSecond, 0)
	for _, wrong := range []float64{-1, math.NaN(), math.Inf(1)} {
		gate.SetLimits(wrong, 1)
	}
	gate.SetLimits(7, -1)
	assert.InDelta(t, 5, gate.Status().PerSecond, 0)
	gate.SetLimits(0, 0)
	assert.Zero(t, gate.Status().PerSecond)
}

func TestNew_BadGate(t *testing.T) {
	for want, c := range map[string]tokensource.GateConfig{
		"GateConfig.PerSecond":  {PerSecond: -1},
		"not a number":          {PerSecond: math.NaN()},
		"GateConfig.Concurrent": {Concurrent: -1},
	} {
		cfg := tokensource.Config{Refresher: withoutSignOut{}, Gate: tokensource.NewGate(c)}
		_, err := tokensource.New(cfg)
		require.ErrorContains(t, err, want)
		_, err = tokensource.NewFamily(cfg)
		require.ErrorContains(t, err, want)
	}
}

// Of processes that share sessions one refreshes, and the others find what it has stored.
// They call nobody, so that takes no start away from sessions that need one.
func TestGate_ARefreshThatFindsAnotherPairTakesNoStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		memory := &store.Memory{}
		gate := tokensource.NewGate(tokensource.GateConfig{PerSecond: 1, Clock: f.clock})
		theirs := f.source(func(_ *fixture, c *tokensource.Config) { c.Store = memory })
		ours := f.source(func(_ *fixture, c *tokensource.Config) { c.Gate, c.Store, c.Token = gate, memory.Peer(), nil })
		another := f.source(func(_ *fixture, c *tokensource.Config) { c.Gate = gate })
		for _, src := range []*tokensource.Source{theirs, ours, another} {
			require.NoError(t, <-asks(t, src))
		}
		f.clock.Advance(access)
		require.NoError(t, <-asks(t, theirs))
		require.NoError(t, <-asks(t, ours))
		require.NoError(t, <-asks(t, another), "at once")
		assert.Equal(t, 2, f.gw.Refreshes.Count())
		for _, src := range []*tokensource.Source{theirs, ours, another} {
			closeSource(t, src)
		}
	})
}
