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

// refreshUnsaved refreshes while the store does not take the new pair.
func refreshUnsaved(t *testing.T, f *fixture, fake *lockingStore) {
	t.Helper()
	f.want("a1")
	fake.failSaves(errDiskFull)
	f.clock.Advance(access)
	f.want("a2")
	require.True(t, f.src.Status().Unsaved)
	require.Equal(t, "a1 r1", fake.pair())
}

func TestClose_SavesAPairThatIsUnsaved(t *testing.T) {
	scenarioWithStore(t, nil, func(t *testing.T, f *fixture, fake *lockingStore) {
		refreshUnsaved(t, f, fake)
		fake.failSaves(nil)
		require.NoError(t, f.src.Close())
		assert.Equal(t, "a2 r2", fake.pair())
		require.NoError(t, f.src.Close(), "there is nothing left to save")
	})
}

func TestClose_ReportsAPairThatStaysUnsaved(t *testing.T) {
	scenarioWithStore(t, nil, func(t *testing.T, f *fixture, fake *lockingStore) {
		refreshUnsaved(t, f, fake)
		first, second := make(chan error, 1), make(chan error, 1)
		go func() { first <- f.src.Close() }()
		go func() { second <- f.src.Close() }()
		for _, err := range []error{<-first, <-second} {
			require.ErrorIs(t, err, errDiskFull)
			assert.ErrorContains(t, err, "tokensource: close: the session is not saved")
		}
		assert.Equal(t, "a1 r1", fake.pair())
		_, err := f.src.TokenContext(t.Context())
		assert.ErrorContains(t, err, "closed")
	})
}

func TestClose_AdoptsANewerRecordInsteadOfOverwritingIt(t *testing.T) {
	scenarioWithStore(t, nil, func(t *testing.T, f *fixture, fake *lockingStore) {
		refreshUnsaved(t, f, fake)
		fake.failSaves(nil)
		fake.edit(t, func(record map[string]any) { record["generation"] = 9 })
		fake.rotate(t, "theirs", f.clock.Now().Add(access))
		require.NoError(t, f.src.Close())
		assert.Equal(t, "theirs r-theirs", fake.pair())
	})
}

func TestClose_WaitsForTheLockForASecond(t *testing.T) {
	scenarioWithStore(t, nil, func(t *testing.T, f *fixture, fake *lockingStore) {
		refreshUnsaved(t, f, fake)
		fake.failSaves(nil)
		unlock := fake.lock(t)
		closing := f.startClose()
		require.NoError(t, f.clock.BlockUntil(context.Background(), 1))
		f.clock.Advance(time.Second)
		assert.ErrorContains(t, <-closing, "held by somebody else")
		require.NoError(t, unlock())
	})
}

func TestClose_WaitsUntilTheAnswerIsSaved(t *testing.T) {
	scenarioWithStore(t, nil, func(t *testing.T, f *fixture, fake *lockingStore) {
		collect := f.holdRefresh(1)
		done := f.startClose()
		assert.ErrorIs(t, collect()[0].err, tokensource.ErrClosed)
		f.gw.Refreshes.Release()
		require.NoError(t, <-done)
		assert.Equal(t, "a2 r2", fake.pair(), "it may be the only valid pair")
		require.NoError(t, f.src.Close(), "again")
	})
}

func TestClose_WaitsNoLongerThanTheTimeouts(t *testing.T) {
	scenario(t, func(_ *fixture, c *tokensource.Config) { c.RefreshTimeout, c.StoreTimeout = time.Minute, time.Second }, func(t *testing.T, f *fixture) {
		block := make(chan struct{})
		f.gw.Refreshes.Do(func() error { <-block; return nil })
		f.clock.Advance(access)
		collect := f.startCallers(t.Context(), 1)
		done := f.startClose()
		collect()
		synctest.Wait()
		f.clock.Advance(61*time.Second - 1)
		synctest.Wait()
		assert.Empty(t, done, "the sum of both timeouts")
		f.clock.Advance(1)
		require.ErrorContains(t, <-done, "under way")
		close(block)
	})
}

func TestClose_AnswersACallerThatWaitsForTheEndEvent(t *testing.T) {
	block := make(chan struct{})
	scenario(t, func(_ *fixture, c *tokensource.Config) {
		block = make(chan struct{})
		c.Token, c.OnEvent = nil, func(tokensource.Event) { <-block }
	}, func(t *testing.T, f *fixture) {
		asked := make(chan error, 1)
		go func() { _, err := f.src.TokenContext(t.Context()); asked <- err }()
		synctest.Wait()
		require.Empty(t, asked, "the caller that ends the session waits for the event")
		closing := f.startClose()
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
	scenario(t, func(f *fixture, c *tokensource.Config) {
		counting = &countingClock{Fake: f.clock}
		c.Clock = counting
	}, func(t *testing.T, f *fixture) {
		f.want("a1")
		require.NoError(t, f.src.Close())
		assert.Zero(t, counting.timers)
		assert.Zero(t, f.gw.Refreshes.Count())
	})
}
