package tokensource_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/ags"
	"github.com/agsauth/agsauth/store"
	"github.com/agsauth/agsauth/tokensource"
)

// The numbered promises of the package, in the order of its documentation. Package
// transport has the tests of those about requests.

func TestInvariant01_NeverADeadToken(t *testing.T) {
	for seed := range uint64(20) {
		scenario(t, func(f *fixture, c *tokensource.Config) {
			f.gw.access, f.gw.sliding, f.gw.fixed = 10*time.Second, 5*time.Minute, 20*time.Minute
			f.gw.edit = func(t *ags.Token) { t.AccessToken = ags.NewSecret(t.ExpiresAt.Format(time.RFC3339Nano)) }
			c.Token = f.gw.grant()
		}, func(t *testing.T, f *fixture) {
			random := rand.New(rand.NewPCG(seed, 1))
			fixedAt := start.Add(f.gw.fixed)
			served := 0
			for range 300 {
				if random.IntN(20) == 0 {
					f.clock.Suspend(time.Duration(random.Int64N(int64(3 * time.Second))))
				}
				if random.IntN(4) == 0 {
					f.gw.Refreshes.Fail(errBusy)
				}
				f.clock.Advance(time.Duration(random.Int64N(int64(6 * time.Second))))
				got, err := f.ask()
				if err != nil {
					continue
				}
				served++
				expiry, err := time.Parse(time.RFC3339Nano, got)
				require.NoError(t, err)
				require.True(t, f.clock.Now().Before(expiry.Add(-time.Second)), "served at %s, expiry %s", f.clock.Now(), expiry)
				require.True(t, f.clock.Now().Before(fixedAt))
			}
			assert.Greater(t, served, 50)
		})
	}
}

func TestInvariant02_NeverANeedlessWait(t *testing.T) {
	scenario(t, nil, func(t *testing.T, f *fixture) {
		f.gw.Refreshes.Hold()
		f.clock.Advance(access - 5*time.Minute)
		for range 50 {
			f.want("a1") // the refresh in flight is not answered
		}
		assert.Equal(t, 1, f.gw.Refreshes.Count())
		f.gw.Refreshes.Release()
		synctest.Wait()
		f.want("a2")
		assert.Equal(t, 1, f.gw.Refreshes.Count())
	})
}

func TestInvariant03_OneAtATime(t *testing.T) {
	t.Run("goroutines", func(t *testing.T) {
		scenario(t, nil, func(t *testing.T, f *fixture) {
			collect := f.holdRefresh(100)
			assert.Equal(t, 1, f.gw.Refreshes.Count())
			f.gw.Refreshes.Release()
			for _, a := range collect() {
				require.NoError(t, a.err)
				require.Equal(t, "a2", a.token)
			}
			assert.Equal(t, 1, f.gw.Refreshes.Count())
		})
	})
	t.Run("sources on one store", func(t *testing.T) {
		scenario(t, func(f *fixture, c *tokensource.Config) {
			f.memory = &store.Memory{}
			c.Store = f.memory
		}, func(t *testing.T, f *fixture) {
			f.want("a1")
			others := f.otherProcesses(4)
			for range 20 {
				f.clock.Advance(access)
				for _, n := range others {
					go func() { _, _ = n.TokenContext(t.Context()) }()
				}
				f.wantAny()
			}
			assert.Equal(t, 20, f.gw.Refreshes.Count(), "one refresh per lifetime")
			assert.Equal(t, 1, f.gw.Refreshes.MaxInFlight())
			for _, n := range others {
				require.NoError(t, n.Close())
			}
		})
	})
}

func TestInvariant04_AWaitersContextIsItsOwn(t *testing.T) {
	scenario(t, nil, func(t *testing.T, f *fixture) {
		f.gw.Refreshes.Hold()
		f.clock.Advance(access)
		gone := errors.New("gone")
		ctx, cancel := context.WithCancelCause(t.Context())
		first := f.startCallers(ctx, 1)
		second := f.startCallers(t.Context(), 1)
		cancel(gone)
		assert.ErrorIs(t, first()[0].err, gone, "the caller that cancels is answered at once")
		assert.NoError(t, f.gw.Refreshes.Context(0).Err(), "the refresh goes on")
		f.gw.Refreshes.Release()
		assert.Equal(t, answer{token: "a2"}, second()[0])
		assert.Equal(t, 1, f.gw.Refreshes.Count())
	})
}

func TestInvariant05_BothTokensOrNone(t *testing.T) {
	t.Run("saved before used", func(t *testing.T) {
		fake := &fakeStore{}
		scenario(t, func(_ *fixture, c *tokensource.Config) { c.Store = fake }, func(t *testing.T, f *fixture) {
			f.want("a1")
			fake.saving.hold()
			f.clock.Advance(access)
			collect := f.startCallers(t.Context(), 1)
			assert.Equal(t, "a1 r1", fake.pair(), "both tokens of the old pair")
			fake.saving.release()
			assert.Equal(t, answer{token: "a2"}, collect()[0])
			assert.Equal(t, "a2 r2", fake.pair(), "both tokens of the new pair")
		})
	})
	t.Run("a failed save is retried, and loses nothing in memory", func(t *testing.T) {
		fake := &fakeStore{}
		scenario(t, func(_ *fixture, c *tokensource.Config) { c.Store = fake }, func(t *testing.T, f *fixture) {
			f.want("a1")
			fake.failSaves(errors.New("no space left on device"))
			f.clock.Advance(access)
			f.want("a2")
			assert.Equal(t, "a1 r1", fake.pair())
			assert.True(t, f.src.Status().Unsaved)
			assert.Positive(t, f.events.count(tokensource.EventStoreFailed))
			fake.failSaves(nil)
			f.clock.Advance(2 * time.Second)
			f.want("a2")
			assert.Equal(t, "a2 r2", fake.pair())
			assert.False(t, f.src.Status().Unsaved)
			assert.Equal(t, 1, f.events.count(tokensource.EventSaved))
		})
	})
}

func TestInvariant06_AdoptBeforeYouGiveUp(t *testing.T) {
	fake := &fakeStore{}
	scenario(t, func(_ *fixture, c *tokensource.Config) { c.Store = fake }, func(t *testing.T, f *fixture) {
		f.want("a1")
		f.clock.Advance(access)
		f.gw.Refreshes.Do(func() error {
			fake.rotate(t, "elsewhere", f.clock.Now().Add(access)) // another process, without the lock
			return errUnauthorized
		})
		f.want("elsewhere")
		assert.Equal(t, 1, f.gw.Refreshes.Count())
		assert.Zero(t, f.events.count(tokensource.EventEnded))
	})
}

func TestInvariant07_TwoClocks(t *testing.T) {
	t.Run("no expired token is served after a suspend", func(t *testing.T) {
		scenario(t, nil, func(t *testing.T, f *fixture) {
			f.want("a1")
			f.clock.Suspend(2 * access)
			f.want("a2")
			assert.Equal(t, 1, f.gw.Refreshes.Count())
		})
	})
	t.Run("setting back the wall clock does not extend a token", func(t *testing.T) {
		scenario(t, nil, func(t *testing.T, f *fixture) {
			f.want("a1")
			f.clock.Suspend(-2 * access)
			f.clock.Advance(access)
			f.want("a2")
			assert.Equal(t, 1, f.gw.Refreshes.Count())
		})
	})
	t.Run("a device that boots in 1970 refreshes instead of ending", func(t *testing.T) {
		scenario(t, func(f *fixture, c *tokensource.Config) {
			f.clock.Suspend(time.Unix(0, 0).Sub(start))
			c.Token = f.gw.signOn()
		}, func(t *testing.T, f *fixture) {
			f.wantAny()
			f.clock.Suspend(52 * 365 * 24 * time.Hour) // NTP sets the clock
			f.gw.fixedAt = f.clock.Now().Add(fixed)    // the gateway's own time was right
			f.wantAny()
			assert.Equal(t, 1, f.gw.Refreshes.Count())
			assert.Zero(t, f.events.count(tokensource.EventEnded))
		})
	})
	t.Run("the session ends when both clocks have passed its expiry", func(t *testing.T) {
		scenario(t, nil, func(t *testing.T, f *fixture) {
			f.clock.Advance(sliding)
			assert.Equal(t, start.Add(sliding), f.wantEnded(tokensource.RefreshExpired).At)
			assert.Zero(t, f.gw.Refreshes.Count(), "no call is needed")
		})
	})
	t.Run("a rejection past the expiry on one clock has the expiry as its reason", func(t *testing.T) {
		scenario(t, nil, func(t *testing.T, f *fixture) {
			f.clock.Suspend(sliding)
			f.gw.Refreshes.Fail(errUnauthorized)
			ended := f.wantEnded(tokensource.RefreshExpired)
			assert.ErrorIs(t, ended, ags.ErrUnauthorized)
			assert.Equal(t, 1, f.gw.Refreshes.Count())
		})
	})
}

func TestInvariant08_ARejectionStormIsNotARefreshStorm(t *testing.T) {
	scenario(t, nil, func(t *testing.T, f *fixture) {
		for range 600 { // ten calls a second to an API that rejects every token
			tok, err := f.ask()
			require.NoError(t, err)
			f.src.Invalidate(tok)
			f.clock.Advance(100 * time.Millisecond)
		}
		// At 0 s, 10 s and 30 s: the interval doubles.
		assert.Equal(t, 3, f.gw.Refreshes.Count())
	})
}
