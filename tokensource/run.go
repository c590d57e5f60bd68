package tokensource

import (
	"context"
	"time"

	"github.com/agsauth/agsauth/tokensource/internal/lifecycle"
)

// maxIdle is the longest time between two evaluations by Run: the timers of a machine
// that slept are late.
const maxIdle = time.Minute

// Run keeps the token fresh while nobody asks for one, so that the session of an idle
// program does not expire and the first request after a pause does not wait. It evaluates
// the session when something is due, and at least once a minute, because a machine that
// slept has late timers. When the session has ended and there is no Login it waits for
// SetToken or Sync, or for another process to revive the session.
//
// It returns the cause of ctx's end, or ErrClosed; or an error at once if another Run is
// running.
func (s *Source) Run(ctx context.Context) error {
	op, leave, err := s.enter(ctx, lifecycle.Nothing)
	if err != nil {
		return err
	}
	defer leave()
	if !s.running.CompareAndSwap(false, true) {
		return errRunning
	}
	defer s.running.Store(false)
	for {
		if err := op.awaitChange(); err != nil {
			return err
		}
	}
}

// awaitChange evaluates the session, and waits until it may come to something else. The
// error is the cause of the end of the operation.
func (op *operation) awaitChange() error {
	changed, wait := op.evaluate()
	timer := op.src.clock.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C():
	case <-changed:
	case <-op.ctx.Done():
	}
	return context.Cause(op.ctx)
}

// evaluate evaluates the session, and returns what to wait for until the next evaluation.
func (op *operation) evaluate() (changed <-chan struct{}, wait time.Duration) {
	s := op.src
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.clock.Now()
	s.evaluateLocked(op.ctx, nil, now)
	return s.workLocked().whenChanged(), lifecycle.NextWake(&s.state, s.surroundingsLocked(), now, maxIdle)
}
