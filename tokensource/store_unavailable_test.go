package tokensource_test

import (
	"context"
	"fmt"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/agsauth/agsauth/tokensource"
)

func TestStoreUnavailable_AtTheStart(t *testing.T) {
	t.Run("a live token is served, and saved later", func(t *testing.T) {
		scenarioWithStore(t, nil, func(t *testing.T, f *fixture, fake *lockingStore) {
			fake.setUnavailable(errUnreachable)
			f.want("a1")
			f.clock.Advance(time.Minute)
			f.want("a1")
			assert.Equal(t, 1, f.events.count(tokensource.EventStoreFailed), "emitted once")
			fake.setUnavailable(nil)
			f.clock.Advance(time.Minute)
			f.want("a1")
			assert.Equal(t, "a1 r1", fake.pair())
		})
	})
	t.Run("an expired token is refreshed in the end", func(t *testing.T) {
		scenarioWithStore(t, nil, func(t *testing.T, f *fixture, fake *lockingStore) {
			f.clock.Advance(access)
			fake.setUnavailable(errUnreachable)
			fake.lockErr = errUnreachable
			f.wantUnavailable()
			f.clock.Advance(29 * time.Second)
			f.wantUnavailable()
			assert.Zero(t, f.gw.Refreshes.Count())
			f.clock.Advance(11 * time.Second)
			f.want("a2")
			assert.Equal(t, 1, f.events.count(tokensource.EventUnlocked))
		})
	})
}

func TestStoreUnavailable_Later(t *testing.T) {
	scenarioWithStore(t, withMedianRand, func(t *testing.T, f *fixture, fake *lockingStore) {
		f.want("a1")
		fake.setUnavailable(errUnreachable)
		fake.lockErr = errUnreachable
		f.clock.Advance(56 * time.Minute)
		for range 4*60 - 1 {
			f.want("a1") // a live token is served
			f.clock.Advance(time.Second)
		}
		assert.Zero(t, f.gw.Refreshes.Count(), "and not refreshed without the lock")
		collect := f.startCallers(t.Context(), 10) // it has expired, and the store is given up
		assert.Zero(t, f.gw.Refreshes.Count())
		f.clock.Advance(time.Second) // the random wait: half of two seconds
		wantAll(t, collect, "a2")
		assert.Equal(t, 1, f.gw.Refreshes.Count())
		synctest.Wait()
		assert.Equal(t, 1, f.events.count(tokensource.EventUnlocked))
		assert.Equal(t, "a1 r1", fake.pair())
		fake.setUnavailable(nil)
		fake.mu.Lock()
		fake.lockErr = nil
		fake.mu.Unlock()
		f.clock.Advance(2 * time.Minute)
		f.want("a2")
		assert.Equal(t, "a2 r2", fake.pair(), "the save is retried")
	})
}

func TestStoreUnavailable_ARejectionIsDeferred(t *testing.T) {
	for name, rotated := range map[string]bool{"until it ends the session": false, "until another process's refresh is found": true} {
		t.Run(name, func(t *testing.T) {
			scenarioWithStore(t, nil, func(t *testing.T, f *fixture, fake *lockingStore) {
				f.want("a1")
				f.gw.Refreshes.Do(func() error {
					fake.setUnavailable(errUnreachable)
					return errUnauthorized
				})
				f.clock.Advance(access)
				assert.ErrorIs(t, f.wantUnavailable(), errUnreachable)
				if rotated {
					fake.rotate(t, "theirs", f.clock.Now().Add(access))
				}
				fake.setUnavailable(nil)
				f.clock.Advance(10 * time.Second)
				if rotated {
					f.want("theirs")
				} else {
					f.wantEnded(tokensource.RefreshRejected)
				}
				assert.Equal(t, 1, f.gw.Refreshes.Count(), "the token is not presented twice")
			})
		})
	}
}

func TestStoreUnavailable_ARejectedTokenIsNotPresentedAgain(t *testing.T) {
	scenarioWithStore(t, nil, func(t *testing.T, f *fixture, fake *lockingStore) {
		f.want("a1")
		f.gw.Refreshes.Do(func() error {
			fake.setUnavailable(errUnreachable)
			return errUnauthorized
		})
		f.gw.Refreshes.FailAlways(errUnauthorized)
		f.clock.Advance(access)
		f.wantUnavailable()
		fake.lockErr = errUnreachable
		for range 20 {
			f.clock.Advance(10 * time.Second)
			_, _ = f.ask()
		}
		assert.Equal(t, 1, f.gw.Refreshes.Count(), "the rejected token is not presented again")
	})
}

func TestStoreUnavailable_PanicsBlockNoCaller(t *testing.T) {
	for _, exit := range []bool{false, true} {
		t.Run(fmt.Sprintf("exit %t", exit), func(t *testing.T) {
			scenario(t, func(_ *fixture, c *tokensource.Config) { c.Store = panickingStore{exit} }, func(t *testing.T, f *fixture) {
				f.want("a1")
				assert.NotContains(t, f.src.Status().Err.Error(), "secret")
				f.clock.Advance(access)
				f.want("a2")
				assert.Equal(t, 1, f.gw.Refreshes.Count())
			})
		})
	}
}

// panickingStore is a store whose methods panic, or end their goroutine.
type panickingStore struct{ exit bool }

func (h panickingStore) panicOrExit() {
	if h.exit {
		runtime.Goexit()
	}
	panic("the store's secret")
}

func (h panickingStore) Load(context.Context) ([]byte, error)       { h.panicOrExit(); return nil, nil }
func (h panickingStore) Save(context.Context, []byte) error         { h.panicOrExit(); return nil }
func (h panickingStore) Delete(context.Context) error               { h.panicOrExit(); return nil }
func (h panickingStore) Lock(context.Context) (func() error, error) { h.panicOrExit(); return nil, nil }
func (h panickingStore) SetAside(context.Context, string) error     { h.panicOrExit(); return nil }
