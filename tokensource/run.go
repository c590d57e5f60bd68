package tokensource

import (
	"context"
	"time"

	"github.com/agsauth/agsauth/tokensource/internal/lifecycle"
)

// maxIdle is how often Run evaluates the session at least: the timers of a machine that
// slept are late.
const maxIdle = time.Minute

// Run keeps the token fresh while nobody asks for one, so that the session of an idle
// program does not end unnoticed and the first request after a pause does not wait. It
// evaluates the session when something is due, and at least once a minute, because a
// machine that slept has late timers. When the session has ended and there is no Login it
// waits for SetToken or Sync, or for another process to revive the session.
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
	return op.keepFresh()
}

func (op *operation) keepFresh() error {
	for {
		changed, wait := op.evaluateForRun()
		timer := op.src.clock.NewTimer(wait)
		select {
		case <-timer.C():
		case <-changed:
		case <-op.ctx.Done():
		}
		timer.Stop()
		if op.ctx.Err() != nil {
			return context.Cause(op.ctx)
		}
	}
}

// evaluateForRun evaluates the session, and returns what to wait for until the next
// evaluation.
func (op *operation) evaluateForRun() (changed <-chan struct{}, wait time.Duration) {
	s := op.src
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.clock.Now()
	s.evaluateLocked(op.ctx, nil, now)
	return s.workLocked().whenChanged(), lifecycle.NextWake(&s.state, s.surroundingsLocked(), now, maxIdle)
}
