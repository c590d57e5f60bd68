package tokensource_test

import (
	"context"
	"errors"
	"math/rand/v2"
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

// The promises of the package, in the order of its documentation. Those about
// requests are kept, and tested, by package transport.

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
					r.gw.fail(errBusy)
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
		r.gw.hold()
		r.clock.Advance(access - 5*time.Minute)
		for range 50 {
			r.want("a1") // a refresh is on its way, and stays there
		}
		assert.Equal(t, 1, r.gw.count())
		r.gw.release()
		synctest.Wait()
		r.want("a2")
		assert.Equal(t, 1, r.gw.count())
	})
}

func TestInvariant03_OneAtATime(t *testing.T) {
	t.Run("goroutines", func(t *testing.T) {
		story(t, nil, func(t *testing.T, r *rig) {
			r.gw.hold()
			r.clock.Advance(access)
			collect := r.callers(t.Context(), 100)
			assert.Equal(t, 1, r.gw.count())
			r.gw.release()
			for _, a := range collect() {
				require.NoError(t, a.err)
				require.Equal(t, "a2", a.token)
			}
			assert.Equal(t, 1, r.gw.count())
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
			assert.Equal(t, 20, r.gw.count(), "one refresh a lifetime, whoever asks")
			assert.Equal(t, 1, r.gw.most)
			for _, n := range neighbours {
				require.NoError(t, n.Close())
			}
		})
	})
}

func TestInvariant04_AWaitersContextIsItsOwn(t *testing.T) {
	story(t, nil, func(t *testing.T, r *rig) {
		r.gw.hold()
		r.clock.Advance(access)
		gone := errors.New("gone")
		ctx, cancel := context.WithCancelCause(t.Context())
		first := r.callers(ctx, 1)
		second := r.callers(t.Context(), 1)
		cancel(gone)
		assert.ErrorIs(t, first()[0].err, gone, "the one who leaves is answered at once")
		assert.NoError(t, r.gw.contexts[0].Err(), "and takes nobody's refresh along")
		r.gw.release()
		assert.Equal(t, answer{token: "a2"}, second()[0])
		assert.Equal(t, 1, r.gw.count())
	})
}

func TestInvariant05_BothTokensOrNone(t *testing.T) {
	t.Run("saved before used", func(t *testing.T) {
		shelf := &shelf{}
		story(t, func(_ *rig, c *tokensource.Config) { c.Store = shelf }, func(t *testing.T, r *rig) {
			r.want("a1")
			shelf.hold()
			r.clock.Advance(access)
			collect := r.callers(t.Context(), 1)
			assert.Equal(t, "a1 r1", shelf.pair(), "the old pair, whole")
			shelf.release()
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
		r.gw.script = append(r.gw.script, func(context.Context, *ags.Token) error {
			shelf.rotate(t, "elsewhere", r.clock.Now().Add(access)) // somebody without our lock
			return errUnauthorized
		})
		r.want("elsewhere")
		assert.Equal(t, 1, r.gw.count())
		assert.Zero(t, r.events.count(tokensource.EventEnded))
	})
}

func TestInvariant07_TwoClocks(t *testing.T) {
	t.Run("a laptop that slept serves no dead token", func(t *testing.T) {
		story(t, nil, func(t *testing.T, r *rig) {
			r.want("a1")
			r.clock.Suspend(2 * access)
			r.want("a2")
			assert.Equal(t, 1, r.gw.count())
		})
	})
	t.Run("a wall clock set back keeps no token alive", func(t *testing.T) {
		story(t, nil, func(t *testing.T, r *rig) {
			r.want("a1")
			r.clock.Suspend(-2 * access)
			r.clock.Advance(access)
			r.want("a2")
			assert.Equal(t, 1, r.gw.count())
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
			assert.Equal(t, 1, r.gw.count())
			assert.Zero(t, r.events.count(tokensource.EventEnded))
		})
	})
	t.Run("a session is given up when both clocks say so", func(t *testing.T) {
		story(t, nil, func(t *testing.T, r *rig) {
			r.clock.Advance(sliding)
			assert.Equal(t, start.Add(sliding), r.wantEnded(tokensource.RefreshExpired).At)
			assert.Zero(t, r.gw.count(), "no call is spent on what is known")
		})
	})
	t.Run("rejected when one clock says so, the horizon is the reason", func(t *testing.T) {
		story(t, nil, func(t *testing.T, r *rig) {
			r.clock.Suspend(sliding)
			r.gw.fail(errUnauthorized)
			ended := r.wantEnded(tokensource.RefreshExpired)
			assert.ErrorIs(t, ended, ags.ErrUnauthorized)
			assert.Equal(t, 1, r.gw.count())
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
		assert.Equal(t, 3, r.gw.count())
	})
}

func TestInvariant12_NothingOutlivesClose(t *testing.T) {
	story(t, func(_ *rig, c *tokensource.Config) { c.Store = &shelf{t: t, strict: true} }, func(t *testing.T, r *rig) {
		// Nothing runs before it is asked for: a strict shelf fails the test when
		// it is touched, and the bubble would not end with a goroutine left.
		assert.Zero(t, r.clock.AdvanceToNext(), "no timer")
		assert.Equal(t, tokensource.Unknown, r.src.Status().Phase)
	})
	story(t, nil, func(t *testing.T, r *rig) {
		r.gw.hold()
		r.clock.Advance(access)
		collect := r.callers(t.Context(), 3)
		ran := make(chan error, 1)
		go func() { ran <- r.src.Run(t.Context()) }()
		synctest.Wait()
		done := make(chan error, 1)
		go func() { done <- r.src.Close() }()
		for _, a := range collect() {
			assert.ErrorIs(t, a.err, tokensource.ErrClosed)
		}
		assert.ErrorIs(t, <-ran, tokensource.ErrClosed)
		synctest.Wait()
		assert.Empty(t, done, "Close waits for the answer under way")
		r.gw.release()
		require.NoError(t, <-done)
		assert.Zero(t, r.clock.AdvanceToNext(), "no timer")
		_, err := r.src.TokenContext(t.Context())
		assert.ErrorIs(t, err, tokensource.ErrClosed)
		assert.ErrorIs(t, r.src.SetToken(t.Context(), r.gw.grant()), tokensource.ErrClosed)
		assert.ErrorIs(t, r.src.SignOut(t.Context()), tokensource.ErrClosed)
		assert.ErrorIs(t, r.src.Sync(t.Context()), tokensource.ErrClosed)
		assert.ErrorIs(t, r.src.Run(t.Context()), tokensource.ErrClosed)
	})
}

func TestInvariant13_OneFailureAnswersAll(t *testing.T) {
	story(t, nil, func(t *testing.T, r *rig) {
		r.gw.down(errBusy)
		r.gw.hold()
		r.clock.Advance(access)
		collect := r.callers(t.Context(), 20)
		r.gw.release()
		for _, a := range collect() {
			var later *tokensource.UnavailableError
			require.ErrorAs(t, a.err, &later)
			require.ErrorIs(t, a.err, ags.ErrUnavailable)
			// 250 ms, and a quarter less with a draw of 0.
			require.Equal(t, start.Add(access+187500*time.Microsecond), later.NextAt)
		}
		assert.Equal(t, 1, r.gw.count(), "twenty callers are one call")
		for range 20 {
			r.wantUnavailable()
		}
		assert.Equal(t, 1, r.gw.count(), "and the failure is remembered")
		r.clock.Advance(187500 * time.Microsecond)
		r.wantUnavailable()
		assert.Equal(t, 2, r.gw.count(), "until the next attempt is due")
		r.gw.up()
		r.clock.Advance(375 * time.Millisecond)
		r.want("a2")
	})
}

func TestInvariant13_RetryAfterIsAFloor(t *testing.T) {
	story(t, nil, func(t *testing.T, r *rig) {
		r.gw.fail(&ags.Error{Op: "refresh", Status: 429, RetryAfter: 42 * time.Second},
			&ags.Error{Op: "refresh", Status: 503, RetryAfter: time.Hour})
		r.clock.Advance(access)
		assert.Equal(t, r.clock.Now().Add(42*time.Second), r.wantUnavailable().NextAt)
		r.clock.Advance(42*time.Second - 1)
		r.wantUnavailable()
		assert.Equal(t, 1, r.gw.count())
		r.clock.Advance(1)
		assert.Equal(t, r.clock.Now().Add(5*time.Minute), r.wantUnavailable().NextAt, "it is capped")
		r.clock.Advance(5 * time.Minute)
		r.want("a2")
	})
}

func TestInvariant14_ARefreshHasALifeOfItsOwn(t *testing.T) {
	type key struct{}
	story(t, nil, func(t *testing.T, r *rig) {
		r.gw.hold()
		r.clock.Advance(access)
		ctx, cancel := context.WithTimeout(context.WithValue(t.Context(), key{}, "trace"), time.Hour)
		collect := r.callers(ctx, 1)
		inner := r.gw.contexts[0]
		_, limited := inner.Deadline()
		assert.False(t, limited, "no caller's deadline")
		assert.Equal(t, "trace", inner.Value(key{}), "but its values")
		cancel()
		assert.ErrorIs(t, collect()[0].err, context.Canceled)
		assert.NoError(t, inner.Err())

		others := r.callers(t.Context(), 2)
		r.clock.Advance(10*time.Second - 1)
		synctest.Wait()
		assert.NoError(t, inner.Err())
		r.clock.Advance(1)
		synctest.Wait()
		assert.Error(t, inner.Err(), "two thirds of its own timeout")
		require.Equal(t, 2, r.gw.count(), "the answer is taken for lost, and asked for again")
		again := r.gw.contexts[1]
		r.clock.Advance(5*time.Second - 1)
		synctest.Wait()
		assert.NoError(t, again.Err())
		r.clock.Advance(1)
		synctest.Wait()
		assert.Error(t, again.Err(), "all of it")
		for _, a := range others() {
			assert.ErrorIs(t, a.err, context.DeadlineExceeded)
		}
		assert.Equal(t, 2, r.gw.count())
	})
}

func TestInvariant14_ARefresherThatNeverReturnsHangsNobody(t *testing.T) {
	story(t, nil, func(t *testing.T, r *rig) {
		block := make(chan struct{})
		r.gw.script = append(r.gw.script,
			func(context.Context, *ags.Token) error { <-block; return errBusy },
			func(context.Context, *ags.Token) error { panic("secret r1") },
			func(context.Context, *ags.Token) error { runtime.Goexit(); return nil })
		r.clock.Advance(access)
		collect := r.callers(t.Context(), 2)
		r.clock.Advance(15 * time.Second)
		for _, a := range collect() {
			assert.ErrorIs(t, a.err, context.DeadlineExceeded)
		}
		close(block)
		for range 2 {
			r.clock.Advance(10 * time.Second)
			later := r.wantUnavailable()
			assert.NotContains(t, later.Error(), "r1")
		}
		r.clock.Advance(10 * time.Second)
		r.want("a2")
		assert.Equal(t, 4, r.gw.count())
	})
}

func TestInvariant15_UnknownIsSaidToBeUnknown(t *testing.T) {
	t.Run("a lost answer is asked for again at once", func(t *testing.T) {
		story(t, nil, func(t *testing.T, r *rig) {
			r.gw.fail(errLost)
			r.clock.Advance(access)
			r.want("a2")
			assert.Equal(t, 2, r.gw.count())
		})
	})
	t.Run("rejected after a lost answer", func(t *testing.T) {
		story(t, nil, func(t *testing.T, r *rig) {
			r.gw.fail(errLost, errUnauthorized)
			r.clock.Advance(access)
			assert.True(t, r.wantEnded(tokensource.RefreshRejected).OutcomeUnknown)
		})
	})
	t.Run("rejected after a timeout, and failures in between", func(t *testing.T) {
		story(t, nil, func(t *testing.T, r *rig) {
			r.gw.fail(errLost, errLost, errBusy, errUnauthorized)
			r.clock.Advance(access)
			r.wantUnavailable()
			r.clock.Advance(10 * time.Second)
			r.wantUnavailable()
			r.clock.Advance(10 * time.Second)
			assert.True(t, r.wantEnded(tokensource.RefreshRejected).OutcomeUnknown)
			assert.Equal(t, 4, r.gw.count())
		})
	})
	t.Run("known when all was answered, or never sent", func(t *testing.T) {
		story(t, nil, func(t *testing.T, r *rig) {
			r.gw.fail(errBusy, errRefused, errUnauthorized)
			r.clock.Advance(access)
			for range 2 {
				r.wantUnavailable()
				r.clock.Advance(10 * time.Second)
			}
			ended := r.wantEnded(tokensource.RefreshRejected)
			assert.False(t, ended.OutcomeUnknown)
			assert.Equal(t, 3, r.gw.count())
		})
	})
}
