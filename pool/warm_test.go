package pool_test

import (
	"context"
	"io/fs"
	"iter"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/pool"
	"github.com/agsauth/agsauth/tokensource"
)

// loadAll is a LoadAll of the stores.
func (f *fixture) loadAll(ctx context.Context, keys iter.Seq[string]) iter.Seq2[pool.Loaded, error] {
	return func(yield func(pool.Loaded, error) bool) {
		for key := range keys {
			if ctx.Err() != nil {
				yield(pool.Loaded{}, context.Cause(ctx))
				return
			}
			s := f.stores.store(key)
			data, err := s.Load(ctx)
			if !yield(pool.Loaded{Key: key, Store: s, Data: data}, err) {
				return
			}
		}
	}
}

// eachWay runs a scenario with and without LoadAll.
func eachWay(t *testing.T, set func(*fixture), body func(*testing.T, *fixture)) {
	t.Helper()
	t.Run("one by one", func(t *testing.T) { scenario(t, set, body) })
	t.Run("LoadAll", func(t *testing.T) {
		scenario(t, func(f *fixture) {
			f.cfg.LoadAll = f.loadAll
			if set != nil {
				set(f)
			}
		}, body)
	})
}

func TestWarm_ARestartRefreshesNothing(t *testing.T) {
	for _, keep := range []pool.KeepAlive{pool.Sessions, pool.Tokens} {
		eachWay(t, func(f *fixture) { f.cfg.KeepAlive = keep }, func(t *testing.T, f *fixture) {
			keys := names(500)
			f.stored(keys...)
			f.run()
			loads := f.stores.loadsOf(keys[0])
			require.NoError(t, f.pool.Warm(t.Context(), slices.Values(keys)))
			synctest.Wait()
			assert.Equal(t, pool.Status{Resident: 500, Fresh: 500}, f.pool.Status())
			sleep(5 * time.Minute)
			assert.Zero(t, f.gw.count())
			assert.Equal(t, loads+1, f.stores.loadsOf(keys[0]), "each record is loaded once")
			require.NoError(t, f.pool.Warm(t.Context(), slices.Values(keys)))
			assert.Equal(t, loads+1, f.stores.loadsOf(keys[0]), "what is known is not loaded again")
			for _, key := range keys {
				f.want(key, key+"/1")
			}
			sleep(55 * time.Minute)
			f.want(keys[7], keys[7]+"/2")
			assert.Zero(t, f.stores.refused)
		})
	}
}

func TestWarm_AboveMaxResidentSessionsAreDormant(t *testing.T) {
	eachWay(t, func(f *fixture) { f.cfg.MaxResident = 10 }, func(t *testing.T, f *fixture) {
		f.stored(names(100)...)
		require.NoError(t, f.pool.Warm(t.Context(), slices.Values(names(100))))
		st := f.pool.Status()
		assert.LessOrEqual(t, st.Resident, 10)
		assert.Equal(t, 100, st.Resident+st.Dormant)
		f.run()
		sleep(slidingLife)
		assert.Equal(t, 100, f.gw.count(), "they are kept alive")
	})
}

func TestWarm_OnDemandAboveMaxResidentNothingIsLoaded(t *testing.T) {
	scenario(t, func(f *fixture) { f.cfg.MaxResident, f.cfg.KeepAlive = 10, pool.OnDemand }, func(t *testing.T, f *fixture) {
		keys := names(200)
		f.stored(keys...)
		before := f.stores.loadsOf(keys[199])
		require.NoError(t, f.pool.Warm(t.Context(), slices.Values(keys)))
		assert.Equal(t, before, f.stores.loadsOf(keys[199]))
		assert.GreaterOrEqual(t, f.pool.Status().Resident, 10)
		assert.LessOrEqual(t, f.pool.Status().Resident, 10+64)
	})
}

// The store is away at the start: callers of the keys get its error, others are fine, Warm
// goes on, and the sessions are loaded when it is back.
func TestWarm_AStoreThatIsAwayForSome(t *testing.T) {
	eachWay(t, nil, func(t *testing.T, f *fixture) {
		f.stored(names(20)...)
		f.stores.set(func(s *stores) {
			s.loadErr = func(key string) error {
				if key < "k00005" {
					return errBoom
				}
				return nil
			}
		})
		f.run()
		err := f.pool.Warm(t.Context(), slices.Values(append(names(20), "", "not stored")))
		var failed *pool.WarmError
		require.ErrorAs(t, err, &failed)
		assert.Equal(t, []int{6, 22}, []int{failed.Failed, failed.Keys})
		assert.NotContains(t, err.Error(), "k0000", "no key is in the error")
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		_, err = f.pool.Session("k00000").TokenContext(ctx)
		assert.Error(t, err)
		f.want("k00010", "k00010/1")
		f.stores.set(func(s *stores) { s.loadErr = nil })
		sleep(slidingLife)
		for _, key := range names(20) {
			_, err := f.pool.Session(key).TokenContext(t.Context())
			assert.NoError(t, err, "Run has loaded and refreshed it")
		}
	})
}

// A key that somebody asks for while Warm is at work goes first.
func TestWarm_WhoAsksGoesFirst(t *testing.T) {
	scenario(t, nil, func(t *testing.T, f *fixture) {
		f.stored(names(200)...)
		f.stores.set(func(s *stores) {
			s.loadErr = func(key string) error {
				if key != "k00199" {
					time.Sleep(time.Second)
				}
				return nil
			}
		})
		f.run()
		warmed := make(chan error, 1)
		began := time.Now()
		go func() { warmed <- f.pool.Warm(t.Context(), slices.Values(names(200))) }()
		synctest.Wait()
		f.want("k00199", "k00199/1")
		assert.Zero(t, time.Since(began))
		require.NoError(t, <-warmed)
		assert.Positive(t, time.Since(began))
	})
}

func TestWarm_Ends(t *testing.T) {
	eachWay(t, nil, func(t *testing.T, f *fixture) {
		f.stored(names(5)...)
		f.stores.set(func(s *stores) { s.loadErr = func(string) error { time.Sleep(3 * time.Second); return nil } })
		endless := func(yield func(string) bool) {
			for yield("k00001") {
				time.Sleep(time.Second)
			}
		}
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Minute, errBoom)
		defer cancel()
		assert.ErrorIs(t, f.pool.Warm(ctx, endless), errBoom)
		warmed := make(chan error, 1)
		go func() { warmed <- f.pool.Warm(t.Context(), endless) }()
		sleep(time.Minute)
		require.NoError(t, f.pool.Drain(t.Context()))
		assert.ErrorIs(t, <-warmed, pool.ErrClosed)
		assert.Equal(t, pool.ErrClosed, f.pool.Warm(t.Context(), slices.Values(names(5))))
	})
}

func TestWarm_NeedsAStore(t *testing.T) {
	scenario(t, func(f *fixture) { f.cfg.Store = nil }, func(t *testing.T, f *fixture) {
		assert.EqualError(t, f.pool.Warm(t.Context(), slices.Values(names(5))), "pool: warm: Config.Store is nil")
	})
}

func TestWarm_ALoadAllThatIsWrong(t *testing.T) {
	scenario(t, func(f *fixture) {
		f.cfg.LoadAll = func(context.Context, iter.Seq[string]) iter.Seq2[pool.Loaded, error] {
			return func(yield func(pool.Loaded, error) bool) {
				_ = yield(pool.Loaded{Store: f.stores.store("x")}, nil) && yield(pool.Loaded{Key: "no store"}, nil) &&
					yield(pool.Loaded{}, errBoom) && yield(pool.Loaded{Key: "none"}, fs.ErrNotExist)
			}
		}
	}, func(t *testing.T, f *fixture) {
		err := f.pool.Warm(t.Context(), slices.Values(names(0)))
		assert.EqualError(t, err, "pool: warm: 3 of 0 sessions failed: pool: Config.LoadAll yielded an empty key")
		var wrong *pool.CallbackError
		assert.ErrorAs(t, err, &wrong)
	})
}

// What LoadAll has loaded is what the Source loads first. After that the Store is asked.
func TestWarm_AnotherProcessMayRefreshWhatLoadAllHasLoaded(t *testing.T) {
	scenario(t, func(f *fixture) { f.cfg.LoadAll = f.loadAll }, func(t *testing.T, f *fixture) {
		f.stored("ada")
		require.NoError(t, f.pool.Warm(t.Context(), slices.Values([]string{"ada"})))
		other, err := pool.New(f.cfg)
		require.NoError(t, err)
		require.NoError(t, other.Session("ada").Sync(t.Context()))
		other.Session("ada").Invalidate("ada/1")
		token, err := other.Session("ada").Token()
		require.NoError(t, err)
		assert.Equal(t, "ada/2", token.AccessToken)
		f.want("ada", "ada/1")
		require.NoError(t, f.pool.Session("ada").Sync(t.Context()))
		f.want("ada", "ada/2")
		sleep(accessLife)
		f.want("ada", "ada/3")
		require.NoError(t, other.Drain(t.Context()))
	})
}

// bare has no lock and cannot set a record aside.
type bare struct{ tokensource.Store }

func TestWarm_AStoreWithoutOptionalMethods(t *testing.T) {
	scenario(t, func(f *fixture) {
		f.cfg.Store = func(key string) tokensource.Store { return bare{f.stores.store(key)} }
		f.cfg.LoadAll = func(ctx context.Context, keys iter.Seq[string]) iter.Seq2[pool.Loaded, error] {
			return func(yield func(pool.Loaded, error) bool) {
				for loaded, err := range f.loadAll(ctx, keys) {
					loaded.Store = bare{loaded.Store}
					if !yield(loaded, err) {
						return
					}
				}
			}
		}
		f.cfg.OnEvent = func(_ string, e tokensource.Event) {
			assert.NotEqual(f.t, tokensource.EventUnlocked, e.Kind, "a store without a lock is nothing to announce")
			assert.NotEqual(f.t, tokensource.EventStoreFailed, e.Kind)
		}
	}, func(t *testing.T, f *fixture) {
		f.stored("ada")
		require.NoError(t, f.pool.Warm(t.Context(), slices.Values([]string{"ada"})))
		sleep(accessLife)
		f.want("ada", "ada/2")
	})
}

// A damaged record that LoadAll has loaded is set aside by the Store that can do that.
func TestWarm_ADamagedRecord(t *testing.T) {
	scenario(t, func(f *fixture) {
		f.cfg.LoadAll = f.loadAll
		f.cfg.Login = func(key string) tokensource.LoginFunc {
			return loginOf(f.gw, key)
		}
	}, func(t *testing.T, f *fixture) {
		s := f.stores.store("ada")
		require.NoError(t, s.Save(t.Context(), []byte("damaged")))
		require.NoError(t, f.pool.Warm(t.Context(), slices.Values([]string{"ada"})))
		f.want("ada", "ada/1")
		require.NoError(t, f.pool.Drain(t.Context()))
		f.restart()
		f.want("ada", "ada/1")
	})
}
