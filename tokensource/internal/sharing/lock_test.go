package sharing_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/tokensource/internal/sharing"
)

func TestLock_IsWaitedForWithinLimits(t *testing.T) {
	inBubble(t, func(t *testing.T, s *fakeStore, p *participant) {
		var released atomic.Int32
		s.onLock = func(context.Context) (func() error, error) {
			time.Sleep(time.Minute)
			return func() error { released.Add(1); return nil }, nil
		}
		ctx, cancel := context.WithTimeoutCause(t.Context(), 2*time.Second, errEnded)
		defer cancel()
		_, err := p.Lock(ctx, time.Second)
		assert.Equal(t, sharing.ErrLockHeld, err)
		_, err = p.Lock(ctx, time.Minute)
		assert.Equal(t, errEnded, err)
		_, err = p.Load(ctx)
		assert.Equal(t, errEnded, err)
		assert.Zero(t, released.Load())
		time.Sleep(time.Minute)
		synctest.Wait()
		assert.Equal(t, int32(2), released.Load(), "a lock that comes too late")
		assert.Empty(t, p.announced)
	})
}

// unsupported is the error of an operating system that cannot lock a file.
type unsupported struct{}

func (unsupported) Error() string        { return "no flock here" }
func (unsupported) Is(target error) bool { return target == errors.ErrUnsupported }

func TestLock_Failures(t *testing.T) {
	for name, tt := range map[string]struct {
		lockErr, unlockErr error
		failed             bool
		notices            []notice // of two calls
	}{
		"a store without a lock":             {errors.ErrUnsupported, nil, false, nil},
		"a store without a lock, wrapped":    {fmt.Errorf("wrapped: %w", errors.ErrUnsupported), nil, false, nil},
		"an operating system without a lock": {unsupported{}, nil, false, []notice{{sharing.WithoutLock, "lock the session: no flock here"}}},
		"the lock fails":                     {fs.ErrInvalid, nil, true, []notice{{sharing.StoreFailed, "lock the session: invalid argument"}}},
		"the unlock fails":                   {nil, errBoom, false, []notice{{sharing.StoreFailed, "unlock the session: boom"}, {sharing.StoreFailed, "unlock the session: boom"}}},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, s *fakeStore, p *participant) {
				s.onLock = func(context.Context) (func() error, error) { return func() error { return tt.unlockErr }, tt.lockErr }
				for range 2 {
					unlock, err := p.Lock(t.Context(), time.Second)
					assert.Equal(t, tt.failed, sharing.FailedTo("lock", err))
					assert.Equal(t, tt.failed, err != nil)
					unlock(t.Context())
				}
				assert.Equal(t, tt.notices, p.announced)
			})
		})
	}
	unlock, err := newParticipant(plainStore{}).Lock(t.Context(), time.Second)
	require.NoError(t, err, "a store that has no method Lock")
	unlock(t.Context())
}

func TestIsGivenUp(t *testing.T) {
	leaveAlone := says{leaveAlone: true}
	for name, tt := range map[string]struct {
		loadErr, saveErr, later error // later is of Load at the end
		want                    bool
		notices                 int
	}{
		"a load that fails on and on":       {errBoom, nil, errBoom, true, 1},
		"a save that fails on and on":       {nil, errBoom, nil, true, 0}, // the caller announces it
		"both":                              {errBoom, errBoom, errBoom, true, 1},
		"a load that works again":           {errBoom, nil, nil, false, 1},
		"a record that must be left alone":  {leaveAlone, nil, leaveAlone, false, 1},
		"such a record after another error": {errBoom, nil, leaveAlone, false, 1},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, s *fakeStore, p *participant) {
				try := func(loadErr, saveErr error) {
					s.loadErr, s.saveErr = loadErr, saveErr
					_, _ = p.Load(t.Context())
					_, _ = p.Commit(t.Context(), record("a"), nil)
				}
				try(tt.loadErr, tt.saveErr)
				time.Sleep(giveUpAfter - time.Nanosecond)
				assert.False(t, p.IsGivenUp(), "too early")
				try(tt.later, tt.saveErr)
				time.Sleep(time.Nanosecond)
				assert.Equal(t, tt.want, p.IsGivenUp())
				assert.Len(t, p.announced, tt.notices)
				try(nil, nil)
				assert.False(t, p.IsGivenUp(), "it works again")
			})
		})
	}
}
