package task_test

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/clock"
	"github.com/agsauth/agsauth/internal/leak"
	"github.com/agsauth/agsauth/tokensource/internal/dualclock"
	"github.com/agsauth/agsauth/tokensource/internal/task"
)

func TestMain(m *testing.M) { leak.Main(m) }

var (
	errBoom  = errors.New("boom")
	errEnded = errors.New("ended by the test")
)

// bubble is what a test in a synctest bubble calls with. Its clock is the bubble's.
type bubble struct {
	task.Caller

	began  dualclock.Instant
	panics []any
}

// inBubble runs a test in a bubble, which fails if a goroutine stays blocked.
func inBubble(t *testing.T, test func(t *testing.T, b *bubble)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		var started sync.WaitGroup
		reader := dualclock.NewReader(nil)
		b := &bubble{began: reader.Now()}
		b.Caller = task.Caller{
			Clock: &reader,
			Start: started.Go,
			Panicked: func(_ context.Context, call string, value any) {
				b.panics = append(b.panics, call, value)
			},
		}
		test(t, b)
		started.Wait()
	})
}

func (b *bubble) elapsed() time.Duration { return b.Clock.Now().Mono - b.began.Mono }

// after returns a call that succeeds after d, or ends early with its context.
func (b *bubble) after(d time.Duration) func(context.Context) (string, error) {
	return func(ctx context.Context) (string, error) {
		if err := task.Pause(ctx, b.Clock, d); err != nil {
			return "", err
		}
		return "value", nil
	}
}

// deaf returns a call that succeeds after d, whatever happens to its context.
func (b *bubble) deaf(d time.Duration) func(context.Context) (string, error) {
	return func(ctx context.Context) (string, error) { return b.after(d)(context.WithoutCancel(ctx)) }
}

func TestCall_ReturnsTheFirstOfResultLimitAndEnd(t *testing.T) {
	type call func(context.Context) (string, error)
	fails := func(context.Context) (string, error) { return "partial", errBoom }
	for name, tt := range map[string]struct {
		limit time.Duration
		call  func(b *bubble) call
		want  string
		err   error
		took  time.Duration
	}{
		"a result at once":          {time.Minute, func(b *bubble) call { return b.after(0) }, "value", nil, 0},
		"an error of the call":      {time.Minute, func(*bubble) call { return fails }, "partial", errBoom, 0},
		"a result within the limit": {time.Minute, func(b *bubble) call { return b.after(time.Second) }, "value", nil, time.Second},
		"no limit":                  {0, func(b *bubble) call { return b.after(time.Hour) }, "value", nil, time.Hour},
		"no result in time":         {time.Minute, func(b *bubble) call { return b.after(time.Hour) }, "", task.ErrTimeout, time.Minute},
		"a call that does not heed": {time.Minute, func(b *bubble) call { return b.deaf(time.Hour) }, "", task.ErrTimeout, time.Minute},
		"the end of the context":    {5 * time.Hour, func(b *bubble) call { return b.deaf(4 * time.Hour) }, "", errEnded, 2 * time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, b *bubble) {
				ctx, cancel := context.WithTimeoutCause(t.Context(), 2*time.Hour, errEnded)
				defer cancel()
				got, err := task.Call(ctx, b.Caller, task.Limit{Whole: tt.limit}, "call", tt.call(b), nil)
				assert.Equal(t, tt.want, got)
				require.ErrorIs(t, err, tt.err)
				assert.Equal(t, tt.took, b.elapsed())
			})
		})
	}
}

func TestCall_ACallThatIsLeftBehind(t *testing.T) {
	for name, tt := range map[string]struct {
		err  error
		want []string
	}{"succeeds": {nil, []string{"late"}}, "fails": {errBoom, nil}} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, b *bubble) {
				var cause error
				var handedOver []string
				_, err := task.Call(t.Context(), b.Caller, task.Limit{Whole: time.Minute}, "call", func(ctx context.Context) (string, error) {
					<-ctx.Done()
					cause = context.Cause(ctx)
					return "late", tt.err
				}, func(v string) { handedOver = append(handedOver, v) })
				require.ErrorIs(t, err, context.DeadlineExceeded)
				synctest.Wait()
				assert.Equal(t, context.DeadlineExceeded, cause)
				assert.Equal(t, tt.want, handedOver)
			})
		})
	}
}

func TestCall_ExpireIsCalledAfterTheFirstPartOfTheLimit(t *testing.T) {
	for name, tt := range map[string]struct {
		whole, answer time.Duration
		want          []time.Duration
		err           error
		took          time.Duration
	}{
		"an answer before it":         {time.Minute, time.Second, nil, nil, time.Second},
		"an answer after it":          {time.Minute, 30 * time.Second, []time.Duration{10 * time.Second}, nil, 30 * time.Second},
		"no answer":                   {time.Minute, time.Hour, []time.Duration{10 * time.Second}, task.ErrTimeout, time.Minute},
		"no limit of the whole":       {0, time.Hour, nil, nil, time.Hour},
		"nothing is left of the rest": {10 * time.Second, time.Hour, nil, task.ErrTimeout, 10 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, b *bubble) {
				var expired []time.Duration
				limit := task.Limit{Whole: tt.whole, First: 10 * time.Second, Expire: func() { expired = append(expired, b.elapsed()) }}
				_, err := task.Call(t.Context(), b.Caller, limit, "call", b.after(tt.answer), nil)
				require.ErrorIs(t, err, tt.err)
				assert.Equal(t, tt.want, expired)
				assert.Equal(t, tt.took, b.elapsed())
			})
		})
	}
}

func TestCall_ALateTimerOfTheFirstPartShortensTheRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := clock.NewFake(time.Unix(0, 0))
		reader := dualclock.NewReader(c)
		caller := task.Caller{Clock: &reader, Start: func(f func()) { go f() }}
		c.Advance(time.Hour) // before the call
		result := make(chan error)
		go func() {
			limit := task.Limit{Whole: time.Minute, First: time.Second, Expire: func() {}}
			_, err := task.Call(t.Context(), caller, limit, "call", func(ctx context.Context) (int, error) {
				<-ctx.Done()
				return 0, nil
			}, nil)
			result <- err
		}()
		synctest.Wait()
		c.Advance(50 * time.Second) // the program was stopped in between
		synctest.Wait()
		assert.Equal(t, 10*time.Second, c.AdvanceToNext())
		require.ErrorIs(t, <-result, task.ErrTimeout)
	})
}

func TestCall_ACallThatDoesNotReturnIsAnError(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bubble) {
		_, err := task.Call(t.Context(), b.Caller, task.Limit{}, "Store.Load", func(context.Context) (int, error) { panic("S3CR3T") }, nil)
		require.EqualError(t, err, "panic in Store.Load (string)")
		assert.Equal(t, []any{"Store.Load", "S3CR3T"}, b.panics)
		_, err = task.Call(t.Context(), b.Caller, task.Limit{}, "Store.Load", func(context.Context) (int, error) {
			runtime.Goexit()
			return 0, nil
		}, nil)
		require.EqualError(t, err, "the call ended its goroutine")
	})
}

func TestDo(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bubble) {
		for want, f := range map[error]func(context.Context) error{
			nil: func(context.Context) error { return nil }, errBoom: func(context.Context) error { return errBoom },
			task.ErrTimeout: func(ctx context.Context) error { return task.Pause(ctx, b.Clock, time.Hour) },
		} {
			require.ErrorIs(t, task.Do(t.Context(), b.Caller, time.Minute, "call", f), want)
		}
	})
}

func TestPause(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bubble) {
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Minute+time.Second, errEnded)
		defer cancel()
		require.NoError(t, task.Pause(ctx, b.Clock, -time.Second))
		require.NoError(t, task.Pause(ctx, b.Clock, time.Minute))
		assert.Equal(t, time.Minute, b.elapsed())
		require.ErrorIs(t, task.Pause(ctx, b.Clock, time.Hour), errEnded)
		assert.Equal(t, time.Minute+time.Second, b.elapsed())
		require.ErrorIs(t, task.Pause(ctx, b.Clock, 0), errEnded)
	})
}

// timerless is a clock on which making a timer is an error.
type timerless struct {
	*clock.Fake
	t *testing.T
}

func (c timerless) NewTimer(d time.Duration) clock.Timer {
	c.t.Error("a timer was made")
	return c.Fake.NewTimer(d)
}

func TestNoTimerIsMadeForWhatTakesNoTime(t *testing.T) {
	reader := dualclock.NewReader(timerless{clock.NewFake(time.Unix(0, 0)), t})
	require.NoError(t, task.Pause(t.Context(), &reader, 0))
	require.NoError(t, task.NewSlot().Acquire(t.Context(), &reader, time.Minute))
}
