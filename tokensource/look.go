package tokensource

import (
	"context"
	"time"

	"golang.org/x/oauth2"

	"github.com/agsauth/agsauth/tokensource/internal/dualclock"
)

// outlook is what a look at the session comes to, for the one who looked.
type outlook struct {
	bearer    *oauth2.Token   // to be served; nil when there is none
	flight    *flight         // what to wait for; nil when nothing
	changed   <-chan struct{} // closed when to look again
	err       error           // the answer, when there is nothing to serve nor to wait for
	delivered <-chan struct{} // closed when what this look has noticed was told; nil when nothing
}

// look decides what is to be done now, starts it, and notices what time has
// brought about. waited is what the one who looks has waited for so far, nil when
// for nothing.
func (s *Source) look(ctx context.Context, waited *flight) outlook {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.lookLocked(ctx, waited, s.watch.Now())
}

func (s *Source) lookLocked(ctx context.Context, waited *flight, now dualclock.Instant) outlook {
	if s.closed {
		return outlook{err: ErrClosed}
	}
	v := s.viewLocked()
	d := decide(&v, now)
	noticed, ended := s.noticeLocked(d, now)
	if ended {
		v = s.viewLocked()
		d = decide(&v, now)
	}
	if d.act != doNothing {
		s.launchLocked(ctx, d.act)
	}
	o := outlook{flight: s.flightLocked()}
	if noticed {
		o.delivered = s.deliverSoonLocked(ctx)
	}
	switch {
	case d.serve:
		o.bearer = s.session.bearer.Load()
	case waited != nil && waited.landed && waited.err != nil:
		// One failure answers all who waited for it.
		o.flight, o.err = nil, waited.err
	case o.flight == nil, s.overLocked():
		o.flight, o.err = nil, s.answerLocked()
	default:
		o.changed = s.workLocked().changedLocked()
	}
	s.refreshQuietLocked(now)
	return o
}

// lookOn is look for Run, who waits whatever comes of it: also for the passing of
// time, of which next is how much may change something.
func (s *Source) lookOn(ctx context.Context) (changed <-chan struct{}, next time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.watch.Now()
	s.lookLocked(ctx, nil, now)
	v := s.viewLocked()
	if v.ended != 0 {
		v.rereadAt = dualclock.Never() // for who asks, not for who waits
	}
	return s.workLocked().changedLocked(), waitFor(nextChange(&v, now), now, runLooksAtLeast)
}

// overLocked reports whether the session has ended and the flight in the air will
// not change that: it is on its way home, or saves what there is to save.
func (s *Source) overLocked() bool {
	final := s.ended != nil && (s.ended.reason == SignedOut || s.cfg.Login == nil)
	act := s.work.flight.act
	return final && (act == doRefresh || act == doSave || act == doSignOut)
}

// awaitDelivery returns the outlook's error, once what was noticed has been told
// to OnEvent: a caller who learns of an end finds it announced.
func (s *Source) awaitDelivery(ctx context.Context, o outlook) error {
	if o.delivered != nil {
		select {
		case <-o.delivered:
		case <-ctx.Done():
		case <-s.untilClosed():
		}
	}
	return o.err
}

// untilClosed returns a channel that Close closes.
func (s *Source) untilClosed() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	w := s.workLocked()
	if w.closing == nil {
		w.closing = make(chan struct{})
		if s.closed {
			close(w.closing)
		}
	}
	return w.closing
}

func (s *Source) viewLocked() view {
	v := view{
		session:     s.session,
		ended:       s.endedLocked(),
		canLogin:    s.cfg.Login != nil,
		invalidated: s.invalidated,
		warned:      s.warned,
		flying:      s.flightLocked() != nil,
		failed:      s.failure != nil,
		retryAt:     s.failure.retryAt(),
		loginAt:     s.loginsLocked().retryAt(),
	}
	if s.session != nil {
		v.due = s.session.schedule()
	}
	if l := s.ledger; l != nil {
		v.stored, v.unread, v.unsaved = true, l.unread && !l.alone, l.pending != saveNothing
		v.saveAt, v.rereadAt = l.saveAt, l.rereadAt
		if l.signOuts != nil && s.canSignOut() && !v.unsaved {
			// Not before the mark of the sign-out is stored.
			v.signOuts, v.signOutAt = true, l.signOuts.nextAt
		}
	}
	return v
}

// noticeLocked notes what a decision says that time has brought about, and
// reports whether that was anything, and whether it was an end, after which
// another decision is due.
func (s *Source) noticeLocked(d decision, now dualclock.Instant) (noticed, ended bool) {
	if d.end != 0 && s.ended == nil {
		s.endLocked(d.end, nil, now)
		noticed, ended = true, true
	}
	if d.far {
		s.warned = false
	}
	if d.warn {
		noticed, s.warned = true, true
		reason := FixedExpired
		if !s.session.refreshable() {
			reason = RefreshExpired
		}
		s.announceLocked(now, Event{Kind: EventEnding, Reason: reason, NextAt: s.session.endsAt()})
	}
	return noticed, ended
}

// refreshQuietLocked decides what callers are told without a look.
func (s *Source) refreshQuietLocked(now dualclock.Instant) {
	v := s.viewLocked()
	d := decide(&v, now)
	if !s.closed && !d.serve && v.flying && !s.overLocked() {
		dead := dualclock.Always()
		if v.session != nil && v.due.served.PassedOnEither(now) {
			dead = v.due.served
		}
		s.quiet.Store(&quiet{until: dualclock.Always(), crowd: &crowd{s.work.flight, s.work.changedLocked(), dead}})
		return
	}
	if s.closed || !d.serve || d.act != doNothing || d.warn || d.end != v.ended {
		s.quiet.Store(nil)
		return
	}
	until := nextChange(&v, now)
	if q := s.quiet.Load(); q == nil || q.bearer != s.session.bearer.Load() || q.until != until {
		s.quiet.Store(&quiet{bearer: s.session.bearer.Load(), until: until})
	}
}

// answerLocked is what a caller is told for whom there is no token.
func (s *Source) answerLocked() error {
	if s.ended != nil {
		e := s.loginRequiredLocked()
		if failed := s.lastFailureLocked(); failed != nil {
			e.Err = failed.err
		}
		return e
	}
	return s.lastFailureLocked().unavailable()
}

// lastFailureLocked returns what the last attempt at what the session needs has failed
// with, nil when it has not.
func (s *Source) lastFailureLocked() *failure {
	if s.failure != nil {
		return s.failure
	}
	return s.loginsLocked().failed()
}
