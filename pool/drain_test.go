package pool_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/ags"
	"github.com/agsauth/agsauth/pool"
	"github.com/agsauth/agsauth/tokensource"
)

// loginOf returns a Login that succeeds.
func loginOf(g *gateway, key string) tokensource.LoginFunc {
	return func(context.Context, *tokensource.LoginRequiredError) (*ags.Token, error) { return g.grant(key), nil }
}

// What is under way lands and is saved; what waits at the Gate never starts.
func TestDrain_LandsWhatIsUnderWayAndBeginsNothing(t *testing.T) {
	scenario(t, func(f *fixture) {
		f.cfg.Gate = tokensource.NewGate(tokensource.GateConfig{Concurrent: 3})
		f.cfg.KeepAlive = pool.Tokens
		f.cfg.IdleAfter, f.cfg.RefreshTimeout = 100*time.Hour, time.Hour
	}, func(t *testing.T, f *fixture) {
		f.run()
		keys, began := names(50), time.Now()
		f.signOn(keys...)
		held := make(chan struct{})
		f.gw.set(func(g *gateway) { g.held = held })
		sleep(accessLife - time.Second)
		require.Equal(t, 3, f.gw.count())
		require.Equal(t, 47, f.pool.Status().Queued)
		drained := make(chan error, 1)
		go func() { drained <- f.pool.Drain(t.Context()) }()
		synctest.Wait()
		_, err := f.pool.Session(keys[10]).TokenContext(t.Context())
		assert.Equal(t, pool.ErrClosed, err)
		close(held)
		require.NoError(t, <-drained)
		f.stop()
		assert.Equal(t, 3, f.gw.count(), "nothing was begun")
		assert.Equal(t, pool.Status{}, f.pool.Status())
		f.restart()
		landed := 0
		for _, key := range keys {
			require.NoError(t, f.pool.Session(key).Sync(t.Context()))
			if f.pool.Session(key).Status().IssuedAt.After(began) {
				landed++
			}
		}
		assert.Equal(t, 3, landed, "the answers were saved")
		require.NoError(t, f.pool.Drain(t.Context()))
		assert.NoError(t, f.pool.Drain(t.Context()), "a further call does nothing")
	})
}

func TestDrain_SavesWhatIsUnsaved(t *testing.T) {
	scenario(t, nil, func(t *testing.T, f *fixture) {
		f.stores.set(func(s *stores) { s.saveErr = func(string) error { return errBoom } })
		for _, key := range names(10) {
			require.Error(t, f.pool.Session(key).SetToken(t.Context(), f.gw.grant(key)))
		}
		assert.Equal(t, 10, f.pool.Status().Unsaved)
		f.stores.set(func(s *stores) {
			s.saveErr = func(key string) error {
				if key < "k00003" {
					return errBoom
				}
				return nil
			}
		})
		err := f.pool.Drain(t.Context())
		var failed *pool.DrainError
		require.ErrorAs(t, err, &failed)
		assert.Equal(t, []int{3, 0}, []int{failed.Unsaved, failed.Open})
		require.ErrorIs(t, err, errBoom)
		f.restart()
		f.want("k00007", "k00007/1")
	})
}

func TestDrain_EndsWithItsContext(t *testing.T) {
	scenario(t, func(f *fixture) {
		f.cfg.KeepAlive, f.cfg.IdleAfter = pool.Tokens, 100*time.Hour
		f.cfg.RefreshTimeout = 10 * time.Hour
	}, func(t *testing.T, f *fixture) {
		f.run()
		f.signOn("ada", "bob")
		held := make(chan struct{})
		f.gw.set(func(g *gateway) { g.held = held })
		sleep(accessLife)
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Minute, errBoom)
		defer cancel()
		err := f.pool.Drain(ctx)
		var failed *pool.DrainError
		require.ErrorAs(t, err, &failed)
		assert.Equal(t, []int{0, 2}, []int{failed.Unsaved, failed.Open})
		assert.EqualError(t, err, "pool: drain: 0 sessions not saved, 2 not closed: boom")
		close(held)
		require.NoError(t, f.pool.Drain(t.Context()), "another call goes on")
		f.stop()
		f.restart()
		f.want("ada", "ada/2")
	})
}

// What happens in a Pool while it is drained has one of two ends: done, or ErrClosed.
func TestDrain_AgainstUse(t *testing.T) {
	gw, s := newGateway(), newStores()
	for range 30 {
		p, err := pool.New(pool.Config{Refresher: gw, Store: s.store, MaxResident: 2})
		require.NoError(t, err)
		ended := make(chan error, 5)
		go func() { ended <- p.Run(t.Context()) }()
		for _, key := range names(4) {
			go func() {
				for {
					if err := p.Session(key).SetToken(t.Context(), gw.grant(key)); err != nil {
						ended <- err
						return
					}
				}
			}()
		}
		for range 3 {
			_, _ = p.Session("k00000").Token()
		}
		require.NoError(t, p.Drain(t.Context()))
		for range cap(ended) {
			assert.ErrorIs(t, <-ended, tokensource.ErrClosed)
		}
	}
}
