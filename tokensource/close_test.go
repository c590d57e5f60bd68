package tokensource_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var errDiskFull = errors.New("no space left on device")

// refreshUnsaved brings a Source to where it has a pair that the store did not take.
func refreshUnsaved(t *testing.T, r *rig, shelf *lockedShelf) {
	t.Helper()
	r.want("a1")
	shelf.fail(errDiskFull)
	r.clock.Advance(access)
	r.want("a2")
	require.True(t, r.src.Status().Unsaved)
	require.Equal(t, "a1 r1", shelf.pair())
}

func TestClose_SavesWhatCouldNotBeSaved(t *testing.T) {
	onShelf(t, nil, func(t *testing.T, r *rig, shelf *lockedShelf) {
		refreshUnsaved(t, r, shelf)
		shelf.fail(nil)
		require.NoError(t, r.src.Close())
		assert.Equal(t, "a2 r2", shelf.pair())
		require.NoError(t, r.src.Close(), "there is nothing left to save")
	})
}

func TestClose_SaysWhatStaysUnsaved(t *testing.T) {
	onShelf(t, nil, func(t *testing.T, r *rig, shelf *lockedShelf) {
		refreshUnsaved(t, r, shelf)
		first, second := make(chan error, 1), make(chan error, 1)
		go func() { first <- r.src.Close() }()
		go func() { second <- r.src.Close() }()
		for _, err := range []error{<-first, <-second} {
			require.ErrorIs(t, err, errDiskFull)
			assert.ErrorContains(t, err, "tokensource: close: the session is not saved")
		}
		assert.Equal(t, "a1 r1", shelf.pair())
		_, err := r.src.TokenContext(t.Context())
		assert.ErrorContains(t, err, "closed")
	})
}

func TestClose_AdoptsWhatIsNewerRatherThanOverwriteIt(t *testing.T) {
	onShelf(t, nil, func(t *testing.T, r *rig, shelf *lockedShelf) {
		refreshUnsaved(t, r, shelf)
		shelf.fail(nil)
		shelf.edit(t, func(f map[string]any) { f["generation"] = 9 })
		shelf.rotate(t, "theirs", r.clock.Now().Add(access))
		require.NoError(t, r.src.Close())
		assert.Equal(t, "theirs r-theirs", shelf.pair())
	})
}

func TestClose_WaitsForALockForASecond(t *testing.T) {
	onShelf(t, nil, func(t *testing.T, r *rig, shelf *lockedShelf) {
		refreshUnsaved(t, r, shelf)
		shelf.fail(nil)
		unlock, err := shelf.Lock(t.Context())
		require.NoError(t, err)
		closing := make(chan error, 1)
		go func() { closing <- r.src.Close() }()
		require.NoError(t, r.clock.BlockUntil(context.Background(), 1))
		r.clock.Advance(time.Second)
		assert.ErrorContains(t, <-closing, "held by somebody else")
		require.NoError(t, unlock())
	})
}
