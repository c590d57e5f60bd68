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
	timer := op.src.cfg.clock.NewTimer(wait)
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
	now := s.cfg.clock.Now()
	s.evaluateLocked(op.ctx, need{}, now)
	return s.workLocked().whenChanged(), lifecycle.NextWake(&s.state, s.surroundingsLocked(), now, maxIdle)
}

// KeepAlive is what [Source.Poll] keeps alive.
type KeepAlive uint8

const (
	// KeepToken keeps the access token fresh, and signs on again when the session has ended,
	// as Run does.
	KeepToken KeepAlive = iota
	// KeepSession lets the access token expire, and refreshes it only when the refresh
	// token would expire otherwise: from a tenth of that token's life before its expiry, or
	// a little earlier at random. It does not sign on. If it is not known when the refresh
	// token expires, it is KeepToken without the sign-on.
	KeepSession
	// KeepNothing starts only what must not be lost: saves and sign-outs that are pending.
	KeepNothing
	// RenewToken is KeepToken, and refreshes the access token although that is not due, as
	// soon as the Gate has capacity that nothing else needs.
	RenewToken
)

// Poll is one step of [Source.Run], for a scheduler that keeps many Sources alive. It
// notices what the passing of time has brought about, starts what is due, through the Gate,
// and does not wait for it. It returns after what time to call it again, at the latest, if
// no clock is set and the machine does not sleep; and earlier if the Observer of
// the Source says that something has changed. After Close it starts nothing.
//
// The operation that it starts has the values of ctx, but does not end with it.
func (s *Source) Poll(ctx context.Context, keep KeepAlive) (next time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return maxPoll
	}
	now, n := s.cfg.clock.Now(), need{}
	switch keep {
	case KeepToken:
	case KeepSession:
		n.keep = lifecycle.KeepSession
	case KeepNothing:
		n.keep = lifecycle.KeepNothing
	case RenewToken:
		n.renew = true
		if s.state.IsRenewable(now) {
			s.applyLocked(lifecycle.Renewed{}, now)
		}
	}
	s.evaluateLocked(ctx, n, now)
	s.restLocked()
	around := s.surroundingsLocked()
	around.Keep = n.keep
	return lifecycle.NextWake(&s.state, around, now, maxPoll)
}

// maxPoll is what Poll returns if nothing is to come.
const maxPoll = 24 * time.Hour
