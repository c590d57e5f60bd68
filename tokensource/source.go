package tokensource

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/oauth2"

	"github.com/agsauth/agsauth/tokensource/internal/dualclock"
	"github.com/agsauth/agsauth/tokensource/internal/lifecycle"
	"github.com/agsauth/agsauth/tokensource/internal/sharing"
	"github.com/agsauth/agsauth/tokensource/internal/task"
)

// Source keeps one session alive. Make one with [New]. All its methods are safe for
// concurrent use. It has a goroutine or a timer only while an operation is under way.
//
// A program may have many idle Sources, so state that is needed only during an operation
// is allocated on demand.
type Source struct {
	// snapshot is what callers find without the lock. Only refreshSnapshotLocked and
	// Close write it.
	snapshot atomic.Pointer[snapshot]

	// Not changed after New.
	cfg      *setup
	login    LoginFunc
	shared   *sharing.Protocol // nil without a Store
	observer Observer          // is told of changes; nil if there is none

	mu sync.Mutex // guards the rest; never held during I/O, a wait or the user's code other than Clock

	state    lifecycle.State // changed by applyLocked only
	work     *work           // what is under way; nil when nothing is
	required chan struct{}   // what LoginRequired returns, made when it is first called
	closed   bool

	running atomic.Bool // whether Run is running
}

// snapshot holds a token and the deadline until which it can be served with nothing else
// to do; or, if there is no such token, what to wait for.
type snapshot struct {
	bearer     *oauth2.Token
	validUntil dualclock.Deadline
	wait       *waitPoint // nil if there is a bearer
}

// waitPoint is what callers wait for while only the operation in flight can bring them a
// token. They find it without the lock, which the operation needs.
type waitPoint struct {
	op        *operation
	changed   <-chan struct{}
	expiredAt dualclock.Deadline // of the token: if a clock is set back, it lives again
}

// New returns a Source. It does no I/O and starts no goroutine. The error says what is
// wrong with cfg.
func New(cfg Config) (*Source, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	return newSource(cfg.setup(), Member{Token: cfg.Token, Store: cfg.Store, Login: cfg.Login}), nil
}

// newSource returns a Source whose settings and session were checked.
func newSource(cfg *setup, m Member) *Source {
	s := &Source{cfg: cfg, login: m.Login, observer: m.Observer}
	if m.Store != nil {
		s.shared = sharing.New(m.Store, (*host)(s))
	}
	var pair *lifecycle.Pair
	if m.Token != nil {
		pair = s.newPair(m.Token, lifecycle.Arrival{Origin: lifecycle.HandedIn, At: s.cfg.clock.Now()})
	}
	s.state = lifecycle.NewState(pair, m.Login != nil, m.Store != nil)
	if m.Store != nil && m.Record != nil {
		s.beginWith(m.Record)
	}
	return s
}

// host is a Source as its Protocol knows it.
type host Source

var _ sharing.Host = (*host)(nil)

func (h *host) Caller() task.Caller                  { return (*Source)(h).caller() }
func (h *host) CallTimeout() time.Duration           { return h.cfg.settings().storeTimeout }
func (h *host) GiveUpAfter() time.Duration           { return h.cfg.settings().lockTimeout }
func (*host) RetryWait(failures int) time.Duration   { return lifecycle.SaveRetryWait(failures) }
func (h *host) Announce(n sharing.Notice, err error) { (*Source)(h).announceNotice(n, err) }

// caller returns what calls the user's code on behalf of the Source.
func (s *Source) caller() task.Caller {
	return task.Caller{Clock: &s.cfg.clock, Start: s.startDetached, Panicked: s.logPanic}
}

// applyLocked is the only place where the state changes. It queues the events, and wakes
// waiters that no longer have to wait.
func (s *Source) applyLocked(o lifecycle.Outcome, now dualclock.Instant) {
	wasEnded := s.state.End() != nil
	next, events := s.state.Apply(o, now)
	s.state = next
	switch isEnded := next.End() != nil; {
	case isEnded && !wasEnded && s.required != nil:
		close(s.required)
	case wasEnded && !isEnded:
		s.required = nil // the channel of the former session is closed
	}
	for _, e := range events {
		s.enqueueLocked(now, Event{Kind: Kind(e.Kind), Reason: Reason(e.Reason), Err: e.Err, NextAt: e.NextAt})
	}
	s.leaveGateIfPointlessLocked(now)
	s.refreshSnapshotLocked(now)
	s.changedLocked()
	if found := s.snapshot.Load(); s.work != nil && s.work.changed != nil && (found == nil || found.wait == nil) {
		s.notifyWaitersLocked()
	}
}

// refreshSnapshotLocked decides what callers find without the lock.
func (s *Source) refreshSnapshotLocked(now dualclock.Instant) {
	d, op := s.decideLocked(now), s.operationLocked()
	switch {
	case s.closed:
		s.snapshot.Store(nil)
	case !d.Serve && op != nil && !s.isFinalLocked(op):
		expiredAt := dualclock.Always()
		if p := s.state.Pair(); p != nil && !s.state.HasLiveToken(now) {
			expiredAt = p.ServeUntil()
		}
		s.snapshot.Store(&snapshot{validUntil: dualclock.Always(), wait: &waitPoint{op, s.work.whenChanged(), expiredAt}})
	case !d.Serve || !d.IsSettled(&s.state):
		s.snapshot.Store(nil)
	default:
		next := snapshot{bearer: bearer(s.state.Pair()), validUntil: lifecycle.NextChange(&s.state, s.surroundingsLocked(), now)}
		if former := s.snapshot.Load(); former == nil || *former != next {
			s.snapshot.Store(&next)
		}
	}
}

// decideLocked decides with the operation in flight and the sign-outs that are pending.
func (s *Source) decideLocked(now dualclock.Instant) lifecycle.Decision {
	return lifecycle.Decide(&s.state, s.surroundingsLocked(), now)
}

// surroundingsLocked returns what decisions depend on besides the state.
func (s *Source) surroundingsLocked() lifecycle.Surroundings {
	around := lifecycle.Surroundings{SignOutAt: dualclock.Never()}
	if w := s.queuedLocked(); w != nil {
		around.Queued = w.action
	}
	if op := s.operationLocked(); op != nil {
		around.Running = op.action
	}
	if s.shared != nil && s.cfg.signOuter() != nil {
		around.SignOutAt = s.shared.NextSignOut()
	}
	return around
}

// isFinalLocked reports whether the session has ended and the operation in flight cannot
// change that.
func (s *Source) isFinalLocked(op *operation) bool {
	end := s.state.End()
	final := end != nil && (end.Reason == lifecycle.SignedOut || s.login == nil)
	return final && (op.action == lifecycle.Refresh || op.action == lifecycle.Save || op.action == lifecycle.SignOut)
}

// answerLocked returns the error for a caller for whom there is no token.
func (s *Source) answerLocked() error {
	failed := s.state.LastFailure()
	if s.state.End() == nil {
		e := &UnavailableError{}
		if failed != nil {
			e.NextAt, e.Err = failed.NextAt, failed.Err
		}
		return e
	}
	e := loginRequired(&s.state, *s.state.End())
	if failed != nil {
		e.Err = failed.Err
	}
	return e
}

// loginRequired describes the end of a session.
func loginRequired(state *lifecycle.State, end lifecycle.End) *LoginRequiredError {
	device := state.Device()
	return &LoginRequiredError{
		Reason: Reason(end.Reason), At: end.At, Err: end.Err, ClientID: device.ClientID, AccountID: device.AccountID,
		OutcomeUnknown: state.IsOutcomeUnknown() && end.Err != nil,
	}
}

// Close ends the Source. It starts nothing more, answers all who wait with ErrClosed, and
// ends a login that is under way. It waits for a refresh under way until that is answered
// and saved, because its answer may be the only valid pair, but no longer than
// RefreshTimeout and StoreTimeout together, and RefreshTimeout once more if there is an
// OnGrant. Then it saves what the store does not have; it waits up to a second for the
// lock, and up to StoreTimeout for each call of the store. Close returns an error if an operation is still under way, which then ends by
// itself, or if the session could not be saved. It does not delete the stored session.
// Further calls of Close wait as the first does.
func (s *Source) Close() error {
	s.mu.Lock()
	if !s.closed {
		s.closed = true
		s.leaveGateLocked()
		s.snapshot.Store(nil)
		s.work.close()
	}
	w := s.work
	s.mu.Unlock()
	if w != nil && w.group.Active() && !s.awaitIdle(w) {
		return errors.New("tokensource: closed, but a refresh or a call of the store is still under way")
	}
	if err := s.saveLast(background()); err != nil {
		return fmt.Errorf("tokensource: close: the session is not saved: %w", err)
	}
	return nil
}

// awaitIdle waits until nothing is under way. It reports false if that takes too long.
func (s *Source) awaitIdle(w *work) bool {
	idle := make(chan struct{})
	go func() {
		defer close(idle)
		w.group.Wait()
	}()
	set := s.cfg.settings()
	limit := set.refreshTimeout + set.storeTimeout
	if s.cfg.onGrant() != nil {
		limit += set.refreshTimeout
	}
	timer := s.cfg.clock.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-idle:
		return true
	case <-timer.C():
		return false
	}
}
