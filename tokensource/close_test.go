package tokensource_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/clock"
	"github.com/agsauth/agsauth/tokensource"
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

func TestClose_SavesAPairThatIsUnsaved(t *testing.T) {
	onShelf(t, nil, func(t *testing.T, r *rig, shelf *lockedShelf) {
		refreshUnsaved(t, r, shelf)
		shelf.fail(nil)
		require.NoError(t, r.src.Close())
		assert.Equal(t, "a2 r2", shelf.pair())
		require.NoError(t, r.src.Close(), "there is nothing left to save")
	})
}

func TestClose_ReportsAPairThatStaysUnsaved(t *testing.T) {
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

func TestClose_AdoptsANewerRecordInsteadOfOverwritingIt(t *testing.T) {
	onShelf(t, nil, func(t *testing.T, r *rig, shelf *lockedShelf) {
		refreshUnsaved(t, r, shelf)
		shelf.fail(nil)
		shelf.edit(t, func(f map[string]any) { f["generation"] = 9 })
		shelf.rotate(t, "theirs", r.clock.Now().Add(access))
		require.NoError(t, r.src.Close())
		assert.Equal(t, "theirs r-theirs", shelf.pair())
	})
}

func TestClose_WaitsForTheLockForASecond(t *testing.T) {
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

func TestClose_WaitsUntilTheAnswerIsSaved(t *testing.T) {
	onShelf(t, nil, func(t *testing.T, r *rig, shelf *lockedShelf) {
		r.want("a1")
		r.gw.Refreshes.Hold()
		r.clock.Advance(access)
		collect := r.callers(t.Context(), 1)
		done := make(chan error, 1)
		go func() { done <- r.src.Close() }()
		assert.ErrorIs(t, collect()[0].err, tokensource.ErrClosed)
		r.gw.Refreshes.Release()
		require.NoError(t, <-done)
		assert.Equal(t, "a2 r2", shelf.pair(), "it may be the only pair that is good")
		require.NoError(t, r.src.Close(), "again")
	})
}

func TestClose_WaitsNoLongerThanTheTimeouts(t *testing.T) {
	story(t, func(_ *rig, c *tokensource.Config) { c.RefreshTimeout, c.StoreTimeout = time.Minute, time.Second }, func(t *testing.T, r *rig) {
		block := make(chan struct{})
		r.gw.Refreshes.Do(func() error { <-block; return nil })
		r.clock.Advance(access)
		collect := r.callers(t.Context(), 1)
		done := make(chan error, 1)
		go func() { done <- r.src.Close() }()
		collect()
		synctest.Wait()
		r.clock.Advance(61*time.Second - 1)
		synctest.Wait()
		assert.Empty(t, done, "for both of them")
		r.clock.Advance(1)
		require.ErrorContains(t, <-done, "under way")
		close(block)
	})
}

func TestClose_AnswersACallerThatWaitsForTheEndEvent(t *testing.T) {
	block := make(chan struct{})
	story(t, func(_ *rig, c *tokensource.Config) {
		block = make(chan struct{})
		c.Token, c.OnEvent = nil, func(tokensource.Event) { <-block }
	}, func(t *testing.T, r *rig) {
		asked := make(chan error, 1)
		go func() { _, err := r.src.TokenContext(t.Context()); asked <- err }()
		synctest.Wait()
		require.Empty(t, asked, "who is the first to learn of it finds it told")
		closing := make(chan error, 1)
		go func() { closing <- r.src.Close() }()
		synctest.Wait()
		require.Len(t, asked, 1)
		require.ErrorIs(t, <-asked, tokensource.ErrLoginRequired)
		close(block)
		require.NoError(t, <-closing)
	})
}

// countingClock counts the timers that are made.
type countingClock struct {
	*clock.Fake
	timers int
}

func (c *countingClock) NewTimer(d time.Duration) clock.Timer {
	c.timers++
	return c.Fake.NewTimer(d)
}

func TestClose_SetsNoTimerWhenIdle(t *testing.T) {
	counting := &countingClock{}
	story(t, func(r *rig, c *tokensource.Config) {
		counting = &countingClock{Fake: r.clock}
		c.Clock = counting
	}, func(t *testing.T, r *rig) {
		r.want("a1")
		require.NoError(t, r.src.Close())
		assert.Zero(t, counting.timers)
		assert.Zero(t, r.gw.Refreshes.Count())
	})
}
