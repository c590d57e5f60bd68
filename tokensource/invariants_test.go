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

func TestInvariant01_NeverADeadToken(t *testing.T) {
	for seed := range uint64(20) {
		story(t, func(r *rig, c *tokensource.Config) {
			r.gw.access, r.gw.sliding, r.gw.fixed = 10*time.Second, 5*time.Minute, 20*time.Minute
			r.gw.edit = func(t *ags.Token) { t.AccessToken = ags.NewSecret(t.ExpiresAt.Format(time.RFC3339Nano)) }
			c.Token = r.gw.grant()
		}, func(t *testing.T, r *rig) {
			random := rand.New(rand.NewPCG(seed, 1))
			fixedAt := start.Add(r.gw.fixed)
			served := 0
			for range 300 {
				if random.IntN(20) == 0 {
					r.clock.Suspend(time.Duration(random.Int64N(int64(3 * time.Second))))
				}
				if random.IntN(4) == 0 {
					r.gw.Refreshes.Fail(errBusy)
				}
				r.clock.Advance(time.Duration(random.Int64N(int64(6 * time.Second))))
				got, err := r.ask()
				if err != nil {
					continue
				}
				served++
				expiry, err := time.Parse(time.RFC3339Nano, got)
				require.NoError(t, err)
				require.True(t, r.clock.Now().Before(expiry.Add(-time.Second)), "served at %s, expiry %s", r.clock.Now(), expiry)
				require.True(t, r.clock.Now().Before(fixedAt))
			}
			assert.Greater(t, served, 50)
		})
	}
}

func TestInvariant02_NeverANeedlessWait(t *testing.T) {
	story(t, nil, func(t *testing.T, r *rig) {
		r.gw.Refreshes.Hold()
		r.clock.Advance(access - 5*time.Minute)
		for range 50 {
			r.want("a1") // a refresh is on its way, and stays there
		}
		assert.Equal(t, 1, r.gw.Refreshes.Count())
		r.gw.Refreshes.Release()
		synctest.Wait()
		r.want("a2")
		assert.Equal(t, 1, r.gw.Refreshes.Count())
	})
}

func TestInvariant03_OneAtATime(t *testing.T) {
	t.Run("goroutines", func(t *testing.T) {
		story(t, nil, func(t *testing.T, r *rig) {
			r.gw.Refreshes.Hold()
			r.clock.Advance(access)
			collect := r.callers(t.Context(), 100)
			assert.Equal(t, 1, r.gw.Refreshes.Count())
			r.gw.Refreshes.Release()
			for _, a := range collect() {
				require.NoError(t, a.err)
				require.Equal(t, "a2", a.token)
			}
			assert.Equal(t, 1, r.gw.Refreshes.Count())
		})
	})
	t.Run("sources on one store", func(t *testing.T) {
		story(t, func(r *rig, c *tokensource.Config) {
			r.memory = &store.Memory{}
			c.Store = r.memory
		}, func(t *testing.T, r *rig) {
			r.want("a1")
			neighbours := r.neighbours(4)
			for range 20 {
				r.clock.Advance(access)
				for _, n := range neighbours {
					go func() { _, _ = n.TokenContext(t.Context()) }()
				}
				_, err := r.ask()
				require.NoError(t, err)
			}
			assert.Equal(t, 20, r.gw.Refreshes.Count(), "one refresh a lifetime, whoever asks")
			assert.Equal(t, 1, r.gw.Refreshes.MaxInFlight())
			for _, n := range neighbours {
				require.NoError(t, n.Close())
			}
		})
	})
}

func TestInvariant04_AWaitersContextIsItsOwn(t *testing.T) {
	story(t, nil, func(t *testing.T, r *rig) {
		r.gw.Refreshes.Hold()
		r.clock.Advance(access)
		gone := errors.New("gone")
		ctx, cancel := context.WithCancelCause(t.Context())
		first := r.callers(ctx, 1)
		second := r.callers(t.Context(), 1)
		cancel(gone)
		assert.ErrorIs(t, first()[0].err, gone, "the one who leaves is answered at once")
		assert.NoError(t, r.gw.Refreshes.Context(0).Err(), "and takes nobody's refresh along")
		r.gw.Refreshes.Release()
		assert.Equal(t, answer{token: "a2"}, second()[0])
		assert.Equal(t, 1, r.gw.Refreshes.Count())
	})
}

func TestInvariant05_BothTokensOrNone(t *testing.T) {
	t.Run("saved before used", func(t *testing.T) {
		shelf := &shelf{}
		story(t, func(_ *rig, c *tokensource.Config) { c.Store = shelf }, func(t *testing.T, r *rig) {
			r.want("a1")
			shelf.saving.close()
			r.clock.Advance(access)
			collect := r.callers(t.Context(), 1)
			assert.Equal(t, "a1 r1", shelf.pair(), "the old pair, whole")
			shelf.saving.open()
			assert.Equal(t, answer{token: "a2"}, collect()[0])
			assert.Equal(t, "a2 r2", shelf.pair(), "the new pair, whole")
		})
	})
	t.Run("a failing disk loses nothing in memory, and is tried again", func(t *testing.T) {
		shelf := &shelf{}
		story(t, func(_ *rig, c *tokensource.Config) { c.Store = shelf }, func(t *testing.T, r *rig) {
			r.want("a1")
			shelf.fail(errors.New("no space left on device"))
			r.clock.Advance(access)
			r.want("a2")
			assert.Equal(t, "a1 r1", shelf.pair())
			assert.True(t, r.src.Status().Unsaved)
			assert.Positive(t, r.events.count(tokensource.EventStoreFailed))
			shelf.fail(nil)
			r.clock.Advance(2 * time.Second)
			r.want("a2")
			assert.Equal(t, "a2 r2", shelf.pair())
			assert.False(t, r.src.Status().Unsaved)
			assert.Equal(t, 1, r.events.count(tokensource.EventSaved))
		})
	})
}

func TestInvariant06_AdoptBeforeYouGiveUp(t *testing.T) {
	shelf := &shelf{}
	story(t, func(_ *rig, c *tokensource.Config) { c.Store = shelf }, func(t *testing.T, r *rig) {
		r.want("a1")
		r.clock.Advance(access)
		r.gw.Refreshes.Do(func() error {
			shelf.rotate(t, "elsewhere", r.clock.Now().Add(access)) // somebody without our lock
			return errUnauthorized
		})
		r.want("elsewhere")
		assert.Equal(t, 1, r.gw.Refreshes.Count())
		assert.Zero(t, r.events.count(tokensource.EventEnded))
	})
}

func TestInvariant07_TwoClocks(t *testing.T) {
	t.Run("a laptop that slept serves no dead token", func(t *testing.T) {
		story(t, nil, func(t *testing.T, r *rig) {
			r.want("a1")
			r.clock.Suspend(2 * access)
			r.want("a2")
			assert.Equal(t, 1, r.gw.Refreshes.Count())
		})
	})
	t.Run("a wall clock set back keeps no token alive", func(t *testing.T) {
		story(t, nil, func(t *testing.T, r *rig) {
			r.want("a1")
			r.clock.Suspend(-2 * access)
			r.clock.Advance(access)
			r.want("a2")
			assert.Equal(t, 1, r.gw.Refreshes.Count())
		})
	})
	t.Run("a box that boots in 1970 is asked about, not given up", func(t *testing.T) {
		story(t, func(r *rig, c *tokensource.Config) {
			r.clock.Suspend(time.Unix(0, 0).Sub(start))
			c.Token = r.gw.signOn()
		}, func(t *testing.T, r *rig) {
			_, err := r.ask()
			require.NoError(t, err)
			r.clock.Suspend(52 * 365 * 24 * time.Hour) // the network tells the time
			r.gw.fixedAt = r.clock.Now().Add(fixed)    // which the gateway knew all along
			_, err = r.ask()
			require.NoError(t, err)
			assert.Equal(t, 1, r.gw.Refreshes.Count())
			assert.Zero(t, r.events.count(tokensource.EventEnded))
		})
	})
	t.Run("a session is given up when both clocks say so", func(t *testing.T) {
		story(t, nil, func(t *testing.T, r *rig) {
			r.clock.Advance(sliding)
			assert.Equal(t, start.Add(sliding), r.wantEnded(tokensource.RefreshExpired).At)
			assert.Zero(t, r.gw.Refreshes.Count(), "no call is spent on what is known")
		})
	})
	t.Run("rejected when one clock says so, the horizon is the reason", func(t *testing.T) {
		story(t, nil, func(t *testing.T, r *rig) {
			r.clock.Suspend(sliding)
			r.gw.Refreshes.Fail(errUnauthorized)
			ended := r.wantEnded(tokensource.RefreshExpired)
			assert.ErrorIs(t, ended, ags.ErrUnauthorized)
			assert.Equal(t, 1, r.gw.Refreshes.Count())
		})
	})
}

func TestInvariant08_ARejectionStormIsNotARefreshStorm(t *testing.T) {
	story(t, nil, func(t *testing.T, r *rig) {
		for range 600 { // an API that rejects every token, asked ten times a second
			tok, err := r.ask()
			require.NoError(t, err)
			r.src.Invalidate(tok)
			r.clock.Advance(100 * time.Millisecond)
		}
		// At 0 s, 10 s and 30 s: the interval doubles.
		assert.Equal(t, 3, r.gw.Refreshes.Count())
	})
}
