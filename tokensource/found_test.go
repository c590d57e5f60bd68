package tokensource_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// What random stories of whole Sources have found, each told as shortly as it can be.

// cut takes the store away but for its saves.
func (s *lockedShelf) cut(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.loadErr, s.lockErr = err, err
}

func TestFound_AnUnlockThatHangsHoldsUpNobodyAtTheStart(t *testing.T) {
	onGatedShelf(t, func(t *testing.T, r *rig, shelf *gatedShelf) {
		shelf.unlocking.close()
		r.want("a1")
		shelf.unlocking.open()
		assert.Zero(t, r.gw.count())
	})
}

func TestFound_ARefusalIsNotForgottenForALookAtTheStore(t *testing.T) {
	onShelf(t, nil, func(t *testing.T, r *rig, shelf *lockedShelf) {
		shelf.cut(errAway)
		r.want("a1")
		r.clock.Advance(access)
		r.gw.fail(errSuspended)
		r.wantUnavailable()
		require.Equal(t, 1, r.gw.count())
		shelf.cut(nil)
		require.NoError(t, r.src.Sync(t.Context()))
		require.Equal(t, "a1 r1", shelf.pair())
		r.wantUnavailable()
		assert.Equal(t, 1, r.gw.count())
	})
}
