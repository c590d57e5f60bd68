package tokensource_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/ags"
	"github.com/agsauth/agsauth/tokensource"
)

// A request has two thirds of RefreshTimeout; then its answer counts as lost. The vectors
// in lost.json cover Refreshers that respect their context.

// ignoringContext returns a reply that ignores its context, and returns err once it is
// released.
func ignoringContext(err error) (reply func() error, release func()) {
	released := make(chan struct{})
	return func() error { <-released; return err }, func() { close(released) }
}

func TestRefresh_ARefresherThatIgnoresItsContextIsNotCalledTwiceAtOnce(t *testing.T) {
	for name, tt := range map[string]struct {
		err   error
		calls int
		want  answer
	}{
		"and grants":                         {nil, 1, answer{token: "a2"}},
		"and has no answer":                  {errLost, 2, answer{token: "a2"}},
		"and fails with an error of its own": {errors.New("gave up"), 2, answer{token: "a2"}},
	} {
		t.Run(name, func(t *testing.T) {
			scenario(t, nil, func(t *testing.T, f *fixture) {
				slow, release := ignoringContext(tt.err)
				f.gw.Refreshes.Do(slow)
				f.clock.Advance(access)
				collect := f.startCallers(t.Context(), 2)
				f.clock.Advance(10 * time.Second)
				synctest.Wait()
				require.ErrorIs(t, context.Cause(f.gw.Refreshes.Context(0)), context.DeadlineExceeded)
				f.clock.Advance(2 * time.Second)
				synctest.Wait()
				require.Equal(t, 1, f.gw.Refreshes.Count(), "the first call has not returned")
				release()
				for _, a := range collect() {
					assert.Equal(t, tt.want, a)
				}
				assert.Equal(t, tt.calls, f.gw.Refreshes.Count())
				assert.Equal(t, 1, f.gw.Refreshes.MaxInFlight())
			})
		})
	}
}

func TestRefresh_ALateRefusalIsNotRetriedAtOnce(t *testing.T) {
	scenario(t, nil, func(t *testing.T, f *fixture) {
		slow, release := ignoringContext(errBusy)
		f.gw.Refreshes.Do(slow)
		f.clock.Advance(access)
		collect := f.startCallers(t.Context(), 1)
		f.clock.Advance(12 * time.Second)
		release()
		require.ErrorIs(t, collect()[0].err, ags.ErrUnavailable)
		assert.Equal(t, 1, f.gw.Refreshes.Count())
	})
}

func TestRefresh_IsNotRepeatedAfterItsTimeout(t *testing.T) {
	scenario(t, nil, func(t *testing.T, f *fixture) {
		slow, release := ignoringContext(errLost)
		f.gw.Refreshes.Do(slow)
		f.clock.Advance(access)
		collect := f.startCallers(t.Context(), 1)
		f.clock.Advance(10 * time.Second)
		synctest.Wait()
		f.clock.Advance(5 * time.Second)
		var later *tokensource.UnavailableError
		err := collect()[0].err
		require.ErrorAs(t, err, &later)
		assert.ErrorIs(t, err, context.DeadlineExceeded)
		assert.ErrorContains(t, err, "no answer in time")
		release()
		synctest.Wait()
		assert.Equal(t, 1, f.gw.Refreshes.Count(), "no caller waits any more")
	})
}

func TestRefresh_SetsOneTimerAtATime(t *testing.T) {
	scenario(t, nil, func(t *testing.T, f *fixture) {
		collect := f.holdRefresh(1)
		for _, left := range []time.Duration{10 * time.Second, 5 * time.Second} {
			assert.Equal(t, left, f.clock.AdvanceToNext())
			synctest.Wait()
		}
		assert.ErrorIs(t, collect()[0].err, context.DeadlineExceeded)
		assert.Zero(t, f.clock.AdvanceToNext(), "no timer is left")
	})
}
