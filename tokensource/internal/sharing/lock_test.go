package sharing_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/store"
	"github.com/agsauth/agsauth/tokensource/internal/sharing"
)

func TestLock_IsHeldByOneAtATime(t *testing.T) {
	inBubble(t, func(t *testing.T, s *fakeStore, p *participant) {
		unlock, err := p.Lock(t.Context(), time.Second)
		require.NoError(t, err)
		_, err = peer(s).Lock(t.Context(), time.Second)
		assert.Equal(t, sharing.ErrLockHeld, err)
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, errEnded)
		defer cancel()
		_, err = peer(s).Lock(ctx, time.Minute)
		assert.Equal(t, errEnded, err)

		s.unlockErr = errBoom
		unlock(t.Context())
		assert.Equal(t, []notice{{sharing.StoreFailed, "unlock the session: boom"}}, p.announced)
		_, err = peer(s).Lock(t.Context(), time.Second)
		require.NoError(t, err)
	})
}

func TestLock_OneThatComesTooLateIsReleased(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		released := 0
		p := newParticipant(lockStore{lock: func(context.Context) (func() error, error) {
			time.Sleep(time.Minute)
			return func() error { released++; return nil }, nil
		}})
		unlock, err := p.Lock(t.Context(), time.Second)
		require.ErrorIs(t, err, sharing.ErrLockHeld)
		unlock(t.Context())
		assert.Zero(t, released)
		time.Sleep(time.Minute)
		synctest.Wait()
		assert.Equal(t, 1, released)
	})
}

func TestLock_AStoreWithoutALock(t *testing.T) {
	for name, tt := range map[string]struct {
		err     error // of Lock
		notices []notice
	}{
		"by its nature":            {errors.ErrUnsupported, nil},
		"by its nature, wrapped":   {fmt.Errorf("wrapped: %w", errors.ErrUnsupported), nil},
		"on this file system":      {fs.ErrInvalid, []notice{{sharing.StoreFailed, "lock the session: invalid argument"}}},
		"on this operating system": {unsupported{}, []notice{{sharing.WithoutLock, "lock the session: no flock here"}}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newParticipant(lockStore{lock: func(context.Context) (func() error, error) { return nil, tt.err }})
				for range 2 { // it is announced once
					unlock, err := p.Lock(t.Context(), time.Second)
					assert.Equal(t, errors.Is(tt.err, fs.ErrInvalid), err != nil)
					assert.Equal(t, err != nil, sharing.FailedTo("lock", err))
					unlock(t.Context())
				}
				assert.Equal(t, tt.notices, p.announced)
			})
		})
	}
	p := newParticipant(plainStore{&store.Memory{}})
	unlock, err := p.Lock(t.Context(), time.Second)
	require.NoError(t, err, "a store that has no method Lock")
	unlock(t.Context())
}

// unsupported is the error of an operating system that has no lock for a file.
type unsupported struct{}

func (unsupported) Error() string        { return "no flock here" }
func (unsupported) Is(target error) bool { return target == errors.ErrUnsupported }

func TestIsGivenUp(t *testing.T) {
	try := func(t *testing.T, p *participant) {
		_, _ = p.Load(t.Context())
		_, _ = p.Commit(t.Context(), record("a"), nil)
	}
	for name, tt := range map[string]struct {
		loadErr, saveErr, repaired error
		want                       bool
		notices                    int
	}{
		"a load that fails on and on":            {errBoom, nil, errBoom, true, 1},
		"a save that fails on and on":            {nil, errBoom, nil, true, 0}, // the caller announces it
		"both":                                   {errBoom, errBoom, errBoom, true, 1},
		"a load that works again":                {errBoom, nil, nil, false, 1},
		"a record that must be left alone":       {says{leaveAlone: true}, nil, says{leaveAlone: true}, false, 1},
		"one that follows another kind of error": {errBoom, nil, says{leaveAlone: true}, false, 1},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, s *fakeStore, p *participant) {
				s.loadErr, s.saveErr = tt.loadErr, tt.saveErr
				try(t, p)
				time.Sleep(giveUpAfter - time.Nanosecond)
				assert.False(t, p.IsGivenUp(), "too early")
				s.loadErr = tt.repaired
				try(t, p)
				time.Sleep(time.Nanosecond)
				assert.Equal(t, tt.want, p.IsGivenUp())
				assert.Len(t, p.announced, tt.notices)
				s.loadErr, s.saveErr = nil, nil
				load(t, p)
				try(t, p)
				assert.False(t, p.IsGivenUp(), "it works again")
			})
		})
	}
}
