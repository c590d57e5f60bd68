package task

import (
	"context"
	"errors"
	"time"

	"github.com/agsauth/agsauth/tokensource/internal/dualclock"
)

// ErrBusy is the error of [Slot.Acquire] when the slot was not released in time.
var ErrBusy = errors.New("a refresh or login of this Source is still under way")

// Slot is held by one goroutine at a time. Make one with [NewSlot].
type Slot chan struct{}

// NewSlot returns a free slot.
func NewSlot() Slot { return make(Slot, 1) }

// Acquire waits until the slot is free, for at most limit. The error is [ErrBusy] or the
// cause of ctx's end.
func (s Slot) Acquire(ctx context.Context, clock *dualclock.Reader, limit time.Duration) error {
	select {
	case s <- struct{}{}:
		return nil
	default:
	}
	timer := clock.NewTimer(limit)
	defer timer.Stop()
	select {
	case s <- struct{}{}:
		return nil
	case <-timer.C():
		return ErrBusy
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Release frees the slot. The caller must hold it.
func (s Slot) Release() { <-s }
