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

	"github.com/agsauth/agsauth/ags"
	"github.com/agsauth/agsauth/pool"
	"github.com/agsauth/agsauth/tokensource"
)

func TestSession_SurvivesEviction(t *testing.T) {
	scenario(t, nil, func(t *testing.T, f *fixture) {
		f.run()
		ada := f.pool.Session("ada")
		assert.Equal(t, "ada", ada.Key())
		assert.Equal(t, tokensource.Status{}, ada.Status())
		require.NoError(t, ada.SetToken(t.Context(), f.gw.grant("ada")))
		for _, use := range map[string]func() error{
			"Token":         func() error { _, err := ada.Token(); return err },
			"TokenContext":  func() error { _, err := ada.TokenContext(t.Context()); return err },
			"TokenValidFor": func() error { _, err := ada.TokenValidFor(t.Context(), time.Minute); return err },
			"Sync":          func() error { return ada.Sync(t.Context()) },
			"SetToken":      func() error { return ada.SetToken(t.Context(), f.gw.grant("ada")) },
		} {
			sleep(time.Hour)
			assert.Equal(t, pool.Status{Dormant: 1}, f.pool.Status())
			require.NoError(t, use())
			assert.NotEqual(t, tokensource.Unknown, ada.Status().Phase)
		}
		sleep(time.Hour)
		assert.Zero(t, f.pool.Status().Resident)
		require.NoError(t, ada.SignOut(t.Context()))
		_, err := ada.Token()
		assert.ErrorIs(t, err, tokensource.ErrLoginRequired)
		sleep(time.Hour)
		assert.Equal(t, pool.Status{}, f.pool.Status(), "nothing is to be done for a session that has ended")
		_, err = ada.Token()
		assert.ErrorIs(t, err, tokensource.ErrLoginRequired)
	})
}

func TestSession_InvalidateReplacesTheToken(t *testing.T) {
	scenario(t, nil, func(t *testing.T, f *fixture) {
		f.signOn("ada")
		ada := f.pool.Session("ada")
		f.want("ada", "ada/1")
		f.pool.Session("bob").Invalidate("ada/1")
		ada.Invalidate("another")
		f.want("ada", "ada/1")
		ada.Invalidate("ada/1")
		f.want("ada", "ada/2")
		assert.Equal(t, 1, f.pool.Status().Resident, "Invalidate brings nothing into memory")
	})
}

func TestSession_LoginRequired(t *testing.T) {
	scenario(t, nil, func(t *testing.T, f *fixture) {
		f.run()
		f.signOn("ada")
		required := f.pool.Session("ada").LoginRequired()
		isClosed := func(c <-chan struct{}) bool {
			select {
			case <-c:
				return true
			default:
				return false
			}
		}
		sleep(3 * time.Hour)
		assert.Zero(t, f.pool.Status().Resident)
		assert.False(t, isClosed(required))
		require.NoError(t, f.pool.Session("ada").SignOut(t.Context()))
		synctest.Wait()
		assert.True(t, isClosed(required), "the channel outlives the eviction")
		assert.True(t, isClosed(f.pool.Session("ada").LoginRequired()))
		f.signOn("ada")
		synctest.Wait()
		again := f.pool.Session("ada").LoginRequired()
		assert.False(t, isClosed(again), "there is a session again")
		f.gw.set(func(g *gateway) { g.fail = func(string) error { return &ags.Error{Op: "refresh", Status: 401} } })
		sleep(accessLife)
		_, err := f.pool.Session("ada").Token()
		require.ErrorIs(t, err, tokensource.ErrLoginRequired)
		synctest.Wait()
		assert.True(t, isClosed(again))
		f.stop()
		require.NoError(t, f.pool.Drain(t.Context()))
		assert.Nil(t, f.pool.Session("ada").LoginRequired())
	})
}

func TestSession_EmptyKeyAndClosedPool(t *testing.T) {
	scenario(t, nil, func(t *testing.T, f *fixture) {
		errorsOf := func(s *pool.Session) []error {
			_, err1 := s.Token()
			_, err2 := s.TokenContext(t.Context())
			_, err3 := s.TokenValidFor(t.Context(), time.Minute)
			_, err4 := f.pool.Keyed().TokenContext(pool.WithKey(t.Context(), s.Key()))
			s.Invalidate("any")
			assert.Equal(t, tokensource.Status{}, s.Status())
			return []error{err1, err2, err3, err4, s.SetToken(t.Context(), f.gw.grant("x")), s.SignOut(t.Context()), s.Sync(t.Context())}
		}
		for _, err := range errorsOf(f.pool.Session("")) {
			assert.Equal(t, pool.ErrEmptyKey, err)
		}
		assert.Nil(t, f.pool.Session("").LoginRequired())
		f.signOn("ada")
		ada := f.pool.Session("ada")
		require.NoError(t, f.pool.Drain(t.Context()))
		for _, err := range errorsOf(ada) {
			assert.Equal(t, pool.ErrClosed, err)
			assert.ErrorIs(t, err, tokensource.ErrClosed)
			assert.True(t, tokensource.IsFinal(err))
		}
	})
}

func TestSession_CallbacksThatFailConcernTheirKeyOnly(t *testing.T) {
	var healed atomic.Bool
	scenario(t, func(f *fixture) {
		f.cfg.Store = func(key string) tokensource.Store {
			switch {
			case healed.Load():
			case key == "nil":
				return nil
			case key == "panics":
				panic("a secret")
			}
			return f.stores.store(key)
		}
		f.cfg.Login = func(key string) tokensource.LoginFunc {
			if key == "login panics" && !healed.Load() {
				panic(errBoom)
			}
			return nil
		}
		f.cfg.OnEvent = func(key string, _ tokensource.Event) {
			if key == "event panics" {
				panic(errBoom)
			}
		}
	}, func(t *testing.T, f *fixture) {
		f.run()
		wrong := map[string]string{
			"nil":          "pool: Config.Store returned nil",
			"panics":       "pool: Config.Store panicked with a string",
			"login panics": "pool: Config.Login panicked with a *errors.errorString",
		}
		for key, want := range wrong {
			_, err := f.pool.Session(key).TokenContext(t.Context())
			var failed *pool.CallbackError
			require.ErrorAs(t, err, &failed)
			assert.EqualError(t, err, want)
		}
		assert.Equal(t, pool.Status{}, f.pool.Status(), "nothing is kept of what could not be made")
		f.signOn("ada", "event panics")
		f.want("ada", "ada/1")
		f.want("event panics", "event panics/1")
		healed.Store(true)
		for key := range wrong {
			f.signOn(key)
			f.want(key, key+"/1")
		}
	})
}

// A Store function that ends its goroutine, as a failing assertion in a test does, leaves
// nobody waiting.
func TestSession_AStoreFunctionThatEndsItsGoroutine(t *testing.T) {
	var exits atomic.Bool
	exits.Store(true)
	scenario(t, func(f *fixture) {
		f.cfg.Store = func(key string) tokensource.Store {
			if exits.Load() {
				time.Sleep(time.Second)
				exitGoroutine()
			}
			return f.stores.store(key)
		}
	}, func(t *testing.T, f *fixture) {
		go func() { _, _ = f.pool.Session("ada").Token() }()
		synctest.Wait()
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Millisecond, errBoom)
		defer cancel()
		_, err := f.pool.Session("ada").TokenContext(ctx)
		assert.Equal(t, errBoom, err, "the wait for another caller's Store ends with the context")
		exits.Store(false)
		f.signOn("ada")
		f.want("ada", "ada/1")
	})
}

func TestSession_ALoginThatHangsHurtsNobodyElse(t *testing.T) {
	scenario(t, func(f *fixture) {
		f.cfg.Gate = tokensource.NewGate(tokensource.GateConfig{PerSecond: 10, Concurrent: 4})
		f.cfg.KeepAlive = pool.Tokens
		f.cfg.Login = func(key string) tokensource.LoginFunc {
			return func(ctx context.Context, _ *tokensource.LoginRequiredError) (*ags.Token, error) {
				if key == "hangs" {
					<-ctx.Done()
					return nil, context.Cause(ctx)
				}
				return f.gw.grant(key), nil
			}
		}
	}, func(t *testing.T, f *fixture) {
		f.run()
		answered := make(chan error, 1)
		go func() { _, err := f.pool.Session("hangs").TokenContext(t.Context()); answered <- err }()
		for range 30 {
			sleep(10 * time.Minute)
			for _, key := range []string{"ada", "bob"} {
				_, err := f.pool.Session(key).TokenContext(t.Context())
				assert.NoError(t, err)
			}
		}
		f.gw.wantNoneDead(t)
		f.stop()
		require.NoError(t, f.pool.Drain(t.Context()))
		assert.Equal(t, pool.ErrClosed, <-answered)
	})
}

// An error that Is ErrClosed because something of the user's was closed does not count as
// that of an evicted session.
func TestSession_AnErrorOfTheUserIsNotRepeated(t *testing.T) {
	scenario(t, func(f *fixture) {
		f.cfg.Login = func(string) tokensource.LoginFunc {
			return func(context.Context, *tokensource.LoginRequiredError) (*ags.Token, error) {
				return nil, errors.Join(errBoom, tokensource.ErrClosed)
			}
		}
	}, func(t *testing.T, f *fixture) {
		_, err := f.pool.Session("ada").Token()
		assert.ErrorIs(t, err, errBoom)
	})
}
