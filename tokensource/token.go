package tokensource

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/oauth2"

	"github.com/agsauth/agsauth/tokensource/internal/admission"
	"github.com/agsauth/agsauth/tokensource/internal/dualclock"
	"github.com/agsauth/agsauth/tokensource/internal/lifecycle"
	"github.com/agsauth/agsauth/tokensource/internal/sharing"
)

var _ oauth2.TokenSource = (*Source)(nil)

// TokenContext returns a token that is live by both clocks. It is shared and must
// not be changed; it has no refresh token.
//
// While the session has a live token TokenContext returns it at once, whatever ctx is.
// Otherwise it waits for the one refresh, or login, that serves all callers. The end of
// ctx ends the wait of this caller alone; the error is then the cause of ctx's end. It is
// [*UnavailableError] when no token can be had for now, [*LoginRequiredError] when the
// session has ended, and [ErrClosed] after Close. If ctx has a deadline and only the
// store's lock could not be taken, TokenContext keeps trying until the deadline instead of
// returning [*UnavailableError].
func (s *Source) TokenContext(ctx context.Context) (*oauth2.Token, error) {
	if found := s.snapshot.Load(); found != nil && !s.cfg.clock.Reached(found.validUntil) {
		return found.bearer, nil
	}
	return s.wait(ctx, 0)
}

// Token is [Source.TokenContext] for libraries that have no context. It waits until the
// attempt under way ends, or the Source is closed. It returns a copy, because the
// wrappers of package oauth2 write into the token that they are given.
func (s *Source) Token() (*oauth2.Token, error) {
	t, err := s.TokenContext(background())
	if err != nil {
		return nil, err
	}
	c := *t
	return &c, nil
}

// background is the context of calls that have none: those of oauth2.TokenSource, Status
// and Close.
func background() context.Context {
	return context.Background() //nolint:forbidigo // oauth2.TokenSource has no context to take
}

// wait evaluates the session, and waits for the operation in flight, until there is a
// token that is valid for span, or an error.
func (s *Source) wait(ctx context.Context, span time.Duration) (*oauth2.Token, error) {
	r := s.joinOrEvaluate(ctx, span)
	for {
		switch {
		case r.bearer != nil:
			return r.bearer, nil
		case r.changed == nil && waitsForLock(ctx, r.err):
			if err := s.awaitRetry(ctx); errors.Is(err, ErrClosed) {
				return nil, err
			} else if err != nil {
				return nil, fmt.Errorf("%w: %w", err, r.err)
			}
			r = s.evaluate(ctx, span, nil)
			continue
		case r.changed == nil:
			return nil, r.awaitDispatch(ctx)
		case s.isInLogin(ctx):
			return nil, errInLogin
		}
		select {
		case <-r.changed:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
		// Most callers find their token, and need no evaluation.
		if t := s.peek(span); t != nil {
			return t, nil
		}
		r = s.evaluate(ctx, span, r.op)
	}
}

// awaitRetry waits until the next attempt is due, or there is a token all the same.
func (s *Source) awaitRetry(ctx context.Context) error {
	op, leave, err := s.enter(ctx, lifecycle.Nothing)
	if err != nil {
		return err
	}
	defer leave()
	return op.awaitChange()
}

// waitsForLock reports whether a caller waits for the next attempt in spite of err: its
// context has a deadline, and only the lock was missing.
func waitsForLock(ctx context.Context, err error) bool {
	var unavailable *UnavailableError
	_, limited := ctx.Deadline()
	return limited && errors.As(err, &unavailable) && sharing.FailedTo("lock", unavailable.Err) && !sharing.MustLeaveAlone(err)
}

// result is what an evaluation comes to for the caller.
type result struct {
	bearer     *oauth2.Token   // to be served; nil if there is none
	op         *operation      // to wait for; nil if there is none, or it waits at the Gate
	changed    <-chan struct{} // closed when to evaluate again; nil if there is nothing to wait for
	err        error           // the answer, if there is nothing to serve and nothing to wait for
	dispatched <-chan struct{} // closed when the events of this evaluation were told; nil if there are none
	closing    <-chan struct{} // closed by Close
}

// joinOrEvaluate finds what to wait for, without the lock if that is known.
func (s *Source) joinOrEvaluate(ctx context.Context, span time.Duration) result {
	if found := s.snapshot.Load(); found != nil && found.wait != nil && s.cfg.clock.Reached(found.wait.expiredAt) {
		return result{op: found.wait.op, changed: found.wait.changed}
	}
	return s.evaluate(ctx, span, nil)
}

// evaluate decides what is to be done now, starts it, and notices what the passing of
// time has brought about. waited is the operation that the caller has waited for, span the
// validity that it asks for.
func (s *Source) evaluate(ctx context.Context, span time.Duration, waited *operation) result {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.cfg.clock.Now()
	if span > 0 {
		return s.evaluateForLocked(ctx, span, waited, now)
	}
	return s.evaluateLocked(ctx, need{caller: true, waited: waited}, now)
}

// need is for whom the session is evaluated.
type need struct {
	caller bool       // a caller waits for a token
	waited *operation // that the caller has waited for; nil if none
	// keep and renew are those of Poll.
	keep  lifecycle.KeepAlive
	renew bool
}

// urgency returns how urgent an operation is, if one is needed.
func (n need) urgency(d lifecycle.Decision, state *lifecycle.State, now dualclock.Instant) admission.Urgency {
	switch {
	case n.caller && (!d.Serve || state.IsAsked()):
		return admission.Asked
	case n.renew && !state.IsRefreshDue(now):
		return admission.Early
	default:
		return admission.Due
	}
}

func (s *Source) evaluateLocked(ctx context.Context, n need, now dualclock.Instant) result {
	if s.closed {
		return result{err: ErrClosed}
	}
	around := s.surroundingsLocked()
	around.Keep = n.keep
	d := lifecycle.Decide(&s.state, around, now)
	hasNews := d.HasNews(&s.state)
	if hasNews {
		s.applyLocked(lifecycle.TimePassed{Surroundings: around}, now)
		d = lifecycle.Decide(&s.state, around, now)
	}
	switch w := s.queuedLocked(); {
	case d.Act != lifecycle.Nothing:
		s.beginLocked(ctx, d.Act, n.urgency(d, &s.state, now), now)
	case w != nil:
		s.cfg.gate().raise(w, n.urgency(d, &s.state, now))
	}
	r := result{op: s.operationLocked()}
	if hasNews {
		r.dispatched = s.dispatchSoonLocked(ctx)
	}
	if r.dispatched != nil {
		r.closing = s.work.whenClosing()
	}
	switch {
	case d.Serve:
		r.bearer = bearer(s.state.Pair())
	case n.waited != nil && n.waited.finished && n.waited.err != nil:
		// One failure answers all who waited for it.
		r.op, r.err = nil, n.waited.err
	case r.op != nil && !s.isFinalLocked(r.op):
		r.changed = s.work.whenChanged()
		r.op.awaited = r.op.awaited || n.caller
	case r.op == nil && s.isWorthQueueingLocked():
		r.changed, r.err = s.awaitGateLocked()
	default:
		r.op, r.err = nil, s.answerLocked()
	}
	s.refreshSnapshotLocked(now)
	return r
}

// isWorthQueueingLocked reports whether the operation that waits at the Gate may bring a
// token.
func (s *Source) isWorthQueueingLocked() bool {
	end := s.state.End()
	return s.queuedLocked() != nil && (end == nil || end.Reason != lifecycle.SignedOut && s.login != nil)
}

// awaitGateLocked returns what a caller waits for whose operation waits at the Gate: none,
// and an error, if the gateway is away.
func (s *Source) awaitGateLocked() (changed <-chan struct{}, err error) {
	if s.work.queued.action == lifecycle.Load { // of the store
		return s.work.whenChanged(), nil
	}
	closed := s.cfg.gate().closed()
	switch {
	case closed == nil:
		return s.work.whenChanged(), nil
	case s.state.End() == nil:
		return nil, closed
	}
	e := loginRequired(&s.state, *s.state.End())
	e.Err = closed.Err
	return nil, e
}

// awaitDispatch returns the error of a result, after its events were told to OnEvent: a
// caller who learns of an end finds it announced.
func (r result) awaitDispatch(ctx context.Context) error {
	if r.dispatched != nil {
		select {
		case <-r.dispatched:
		case <-ctx.Done():
		case <-r.closing:
		}
	}
	return r.err
}
