package pool_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/pool"
	"github.com/agsauth/agsauth/tokensource"
)

func TestEviction_TheLongestIdleGoFirst(t *testing.T) {
	scenario(t, func(f *fixture) { f.cfg.MaxResident = 3 }, func(t *testing.T, f *fixture) {
		f.run()
		keys := names(6)
		for _, key := range keys[:3] {
			f.signOn(key)
			sleep(2 * time.Minute)
		}
		f.want(keys[0], keys[0]+"/1")
		sleep(2 * time.Minute)
		for _, key := range keys[3:] {
			f.signOn(key)
			sleep(2 * time.Minute)
		}
		var resident []string
		for _, key := range keys {
			if f.pool.Session(key).Status().Phase != tokensource.Unknown {
				resident = append(resident, key)
			}
		}
		assert.Equal(t, keys[3:], resident)
		for _, key := range keys {
			f.want(key, key+"/1")
		}
		sleep(2 * time.Minute)
		st := f.pool.Status()
		assert.Equal(t, []int{3, 3}, []int{st.Resident, st.Dormant})
	})
}

func TestEviction_IsExactToASixteenth(t *testing.T) {
	scenario(t, func(f *fixture) { f.cfg.IdleAfter = 16 * time.Minute }, func(t *testing.T, f *fixture) {
		f.run()
		f.signOn("ada")
		for range 20 {
			sleep(15 * time.Minute)
			assert.Equal(t, 1, f.pool.Status().Resident)
			_, err := f.pool.Session("ada").Token()
			require.NoError(t, err)
		}
		sleep(18*time.Minute + time.Second)
		assert.Zero(t, f.pool.Status().Resident)
	})
}

func TestEviction_WithoutAStoreNothingIsEvicted(t *testing.T) {
	scenario(t, func(f *fixture) { f.cfg.Store, f.cfg.IdleAfter = nil, time.Second }, func(t *testing.T, f *fixture) {
		f.run()
		f.signOn("ada")
		sleep(24 * time.Hour)
		assert.Equal(t, pool.Status{Resident: 1, Expired: 1}, f.pool.Status())
		f.want("ada", "ada/2")
	})
}

func TestEviction_NeitherWhatIsUnderWayNorWhatWaits(t *testing.T) {
	scenario(t, func(f *fixture) {
		f.cfg.MaxResident, f.cfg.IdleAfter = 1, time.Second
		f.cfg.Gate = tokensource.NewGate(tokensource.GateConfig{Concurrent: 1})
		f.cfg.RefreshTimeout = 5 * time.Hour
	}, func(t *testing.T, f *fixture) {
		f.run()
		f.signOn("flies", "waits", "rests")
		held := make(chan struct{})
		f.gw.set(func(g *gateway) { g.held = held })
		sleep(accessLife)
		assert.Equal(t, pool.Status{Dormant: 3}, f.pool.Status())
		answers := make(chan error, 2)
		for _, key := range []string{"flies", "waits"} {
			go func() { _, err := f.pool.Session(key).TokenContext(t.Context()); answers <- err }()
			synctest.Wait()
		}
		sleep(20 * time.Minute)
		st := f.pool.Status()
		assert.Equal(t, []int{2, 1, 1, 1}, []int{st.Resident, st.Busy, st.Queued, st.Dormant})
		close(held)
		assert.NoError(t, <-answers)
		assert.NoError(t, <-answers)
		sleep(time.Minute)
		assert.Equal(t, pool.Status{Dormant: 3}, f.pool.Status())
	})
}

// Who asks while a session is being evicted gets the next Source, after the former is closed.
func TestEviction_ACallerMeanwhile(t *testing.T) {
	var slow atomic.Bool
	scenario(t, func(f *fixture) {
		f.cfg.IdleAfter = time.Second
		f.cfg.Store = func(key string) tokensource.Store {
			if slow.Load() {
				time.Sleep(time.Minute) // who waits for a Source waits as for one that is being closed
			}
			return f.stores.store(key)
		}
	}, func(t *testing.T, f *fixture) {
		f.run()
		f.signOn("ada")
		sleep(time.Minute)
		assert.Equal(t, pool.Status{Dormant: 1}, f.pool.Status())
		slow.Store(true)
		before := f.stores.loadsOf("ada")
		var answers [10]error
		var wg sync.WaitGroup
		for i := range answers {
			wg.Go(func() { _, answers[i] = f.pool.Session("ada").TokenContext(t.Context()) })
		}
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, errBoom)
		defer cancel()
		_, err := f.pool.Session("ada").TokenContext(ctx)
		assert.Equal(t, errBoom, err)
		wg.Wait()
		assert.NoError(t, errors.Join(answers[:]...))
		assert.Equal(t, 1, f.stores.loadsOf("ada")-before, "all have the one Source")
	})
}

// Real goroutines use few sessions while almost all are evicted all the time. No key has
// two Sources at once: then two would refresh at once, use a refresh token twice, or find
// another's record when they save.
func TestEviction_AgainstUse(t *testing.T) {
	gw, s := newGateway(), newStores()
	gw.latency = time.Millisecond
	p, err := pool.New(pool.Config{
		Refresher: gw, Store: s.store, MaxResident: 4, IdleAfter: time.Second, KeepAlive: pool.Tokens,
		Gate: tokensource.NewGate(tokensource.GateConfig{PerSecond: 5000, Concurrent: 8}),
	})
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	keys := names(24)
	for _, key := range keys {
		require.NoError(t, p.Session(key).SetToken(t.Context(), gw.grant(key)))
	}
	var wg sync.WaitGroup
	wg.Go(func() { assert.ErrorIs(t, p.Run(ctx), context.DeadlineExceeded) })
	var calls atomic.Int64
	keyed := p.Keyed()
	for i := range uint64(8) {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(i, 3))
			held := p.Session(keys[r.IntN(len(keys))])
			for ctx.Err() == nil {
				var err error
				switch key := keys[r.IntN(len(keys))]; r.IntN(6) {
				case 0:
					_, err = held.TokenContext(t.Context())
				case 1:
					_, err = keyed.TokenContext(pool.WithKey(t.Context(), key))
				case 2:
					err = p.Session(key).Sync(t.Context())
				case 3:
					var tok string
					got, tokErr := p.Session(key).Token()
					if err = tokErr; err == nil {
						tok = got.AccessToken
					}
					p.Session(key).Invalidate(tok)
				default:
					_, err = p.Session(key).TokenContext(t.Context())
				}
				calls.Add(1)
				if err != nil {
					assert.NoError(t, fmt.Errorf("a caller failed: %w", err))
					return
				}
			}
		})
	}
	wg.Wait()
	require.NoError(t, p.Drain(t.Context()))
	gw.wantNoProblem(t)
	assert.Zero(t, s.refused, "saves that found a record of somebody else")
	loads := 0
	for _, key := range keys {
		loads += s.loadsOf(key)
	}
	assert.Greater(t, loads, 4*len(keys), "sessions were evicted and loaded again")
	t.Logf("%d calls, %d refreshes, %d loads", calls.Load(), gw.count(), loads)
}

// A caller may have begun a refresh just before the eviction, and the store may fail then.
// The pair is the only good one.
func TestEviction_SavesWhatItFinds(t *testing.T) {
	for name, drained := range map[string]bool{"when the store is back": false, "by Drain": true} {
		t.Run(name, func(t *testing.T) {
			scenario(t, nil, func(t *testing.T, f *fixture) {
				f.stores.set(func(s *stores) { s.saveErr = func(string) error { return errBoom } })
				require.Error(t, f.pool.Session("k").SetToken(t.Context(), f.gw.grant("k")))
				closed := make(chan struct{})
				go func() { defer close(closed); f.pool.CloseForEviction("k") }()
				sleep(time.Minute)
				assert.Empty(t, f.stores.saved("k"))
				if drained {
					var failed *pool.DrainError
					require.ErrorAs(t, f.pool.Drain(t.Context()), &failed)
					assert.Equal(t, 1, failed.Unsaved)
				} else {
					f.stores.set(func(s *stores) { s.saveErr = nil })
					sleep(10 * time.Second)
					assert.Contains(t, f.stores.saved("k"), "k/1")
				}
				<-closed
			})
		})
	}
}
