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
	t.Run("a live token is served, and stored when it can be", func(t *testing.T) {
		onShelf(t, nil, func(t *testing.T, r *rig, shelf *lockedShelf) {
			shelf.away(errAway)
			r.want("a1")
			r.clock.Advance(time.Minute)
			r.want("a1")
			assert.Equal(t, 1, r.events.count(tokensource.EventStoreFailed), "announced once")
			shelf.away(nil)
			r.clock.Advance(time.Minute)
			r.want("a1")
			assert.Equal(t, "a1 r1", shelf.pair())
		})
	})
	t.Run("a dead one is refreshed when the store stays away", func(t *testing.T) {
		onShelf(t, nil, func(t *testing.T, r *rig, shelf *lockedShelf) {
			r.clock.Advance(access)
			shelf.away(errAway)
			shelf.lockErr = errAway
			r.wantUnavailable()
			r.clock.Advance(29 * time.Second)
			r.wantUnavailable()
			assert.Zero(t, r.gw.Refreshes.Count())
			r.clock.Advance(11 * time.Second)
			r.want("a2")
			assert.Equal(t, 1, r.events.count(tokensource.EventUnlocked))
		})
	})
}

func TestStoreUnavailable_Later(t *testing.T) {
	onShelf(t, func(_ *rig, c *tokensource.Config) { c.Rand = func() float64 { return 0.5 } },
		func(t *testing.T, r *rig, shelf *lockedShelf) {
			r.want("a1")
			shelf.away(errAway)
			shelf.lockErr = errAway
			r.clock.Advance(56 * time.Minute)
			for range 4*60 - 1 {
				r.want("a1") // a live token is served
				r.clock.Advance(time.Second)
			}
			assert.Zero(t, r.gw.Refreshes.Count(), "and not refreshed past the others")
			collect := r.callers(t.Context(), 10) // it is dead, and the store has been away for long
			assert.Zero(t, r.gw.Refreshes.Count())
			r.clock.Advance(time.Second) // half of the random two
			for _, a := range collect() {
				assert.Equal(t, answer{token: "a2"}, a)
			}
			assert.Equal(t, 1, r.gw.Refreshes.Count())
			synctest.Wait()
			assert.Equal(t, 1, r.events.count(tokensource.EventUnlocked))
			assert.Equal(t, "a1 r1", shelf.pair())
			shelf.away(nil)
			shelf.mu.Lock()
			shelf.lockErr = nil
			shelf.mu.Unlock()
			r.clock.Advance(2 * time.Minute)
			r.want("a2")
			assert.Equal(t, "a2 r2", shelf.pair(), "the save is made up for")
		})
}

func TestStoreUnavailable_ARejectionIsDeferred(t *testing.T) {
	for name, rotated := range map[string]bool{"and then ends the session": false, "and then was somebody else's refresh": true} {
		t.Run(name, func(t *testing.T) {
			onShelf(t, nil, func(t *testing.T, r *rig, shelf *lockedShelf) {
				r.want("a1")
				away := errAway
				r.gw.Refreshes.Do(func() error {
					shelf.away(away)
					return errUnauthorized
				})
				r.clock.Advance(access)
				assert.ErrorIs(t, r.wantUnavailable(), away)
				if rotated {
					shelf.rotate(t, "theirs", r.clock.Now().Add(access))
				}
				shelf.away(nil)
				r.clock.Advance(10 * time.Second)
				if rotated {
					r.want("theirs")
				} else {
					r.wantEnded(tokensource.RefreshRejected)
				}
				assert.Equal(t, 1, r.gw.Refreshes.Count(), "the gateway is not asked twice")
			})
		})
	}
}

func TestStoreUnavailable_ARejectedTokenIsNotPresentedAgain(t *testing.T) {
	onShelf(t, nil, func(t *testing.T, r *rig, shelf *lockedShelf) {
		r.want("a1")
		r.gw.Refreshes.Do(func() error {
			shelf.away(errAway)
			return errUnauthorized
		})
		r.gw.Refreshes.FailAlways(errUnauthorized)
		r.clock.Advance(access)
		r.wantUnavailable()
		shelf.lockErr = errAway
		for range 20 {
			r.clock.Advance(10 * time.Second)
			_, _ = r.ask()
		}
		assert.Equal(t, 1, r.gw.Refreshes.Count(), "a token that the gateway has rejected is presented again")
	})
}

func TestStoreUnavailable_PanicsBlockNoCaller(t *testing.T) {
	for _, exit := range []bool{false, true} {
		t.Run(fmt.Sprintf("exit %t", exit), func(t *testing.T) {
			story(t, func(_ *rig, c *tokensource.Config) { c.Store = hostile{exit} }, func(t *testing.T, r *rig) {
				r.want("a1")
				assert.NotContains(t, r.src.Status().Err.Error(), "secret")
				r.clock.Advance(access)
				r.want("a2")
				assert.Equal(t, 1, r.gw.Refreshes.Count())
			})
		})
	}
}

// hostile is a store whose every method panics, or ends its goroutine.
type hostile struct{ exit bool }

func (h hostile) act() {
	if h.exit {
		runtime.Goexit()
	}
	panic("the store's secret")
}
func (h hostile) Load(context.Context) ([]byte, error)       { h.act(); return nil, nil }
func (h hostile) Save(context.Context, []byte) error         { h.act(); return nil }
func (h hostile) Delete(context.Context) error               { h.act(); return nil }
func (h hostile) Lock(context.Context) (func() error, error) { h.act(); return nil, nil }
func (h hostile) SetAside(context.Context, string) error     { h.act(); return nil }
