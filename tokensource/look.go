package tokensource

import (
	"context"
	"time"

	"golang.org/x/oauth2"
)

// outlook is what a look at the session comes to, for the one who looked.
type outlook struct {
	bearer    *oauth2.Token   // to be served; nil when there is none
	flight    *flight         // what to wait for
	changed   <-chan struct{} // closed when to look again
	err       error           // the answer, when there is nothing to serve nor to wait for
	delivered <-chan struct{} // closed when what this look has noticed was told; nil when nothing
	next      time.Duration   // until time alone may change something
}

// look decides what is to be done now, starts it, and notices what time has
// brought about.
func (s *Source) look(ctx context.Context) outlook {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return outlook{err: ErrClosed}
	}
	now, queued := s.watch.now(), len(s.events)
	v := s.viewLocked()
	d := decide(&v, now)
	if s.noticeLocked(d, now) {
		v = s.viewLocked()
		d = decide(&v, now)
	}
	if d.act != doNothing {
		s.launchLocked(ctx, d.act)
	}
	o := outlook{flight: s.flight, changed: s.changed}
	if len(s.events) > queued {
		o.delivered = s.deliverSoonLocked(ctx)
	}
	switch {
	case d.serve:
		o.bearer = s.session.bearer
	case s.flight == nil, s.overLocked():
		o.flight, o.err = nil, s.answerLocked()
	}
	s.refreshQuietLocked(now)
	v = s.viewLocked()
	if v.ended != 0 {
		v.rereadAt = never() // for who asks, not for who waits
	}
	o.next = waitFor(nextChange(&v, now), now, runLooksAtLeast)
	return o
}

// overLocked reports whether the session has ended and the flight in the air will
// not change that: it is on its way home, or saves what there is to save.
func (s *Source) overLocked() bool {
	final := s.ended == SignedOut || s.ended != 0 && s.cfg.Login == nil
	return final && (s.flight.act == doRefresh || s.flight.act == doSave)
}

// awaitDelivery returns the outlook's error, once what was noticed has been told
// to OnEvent: a caller who learns of an end finds it announced.
func (s *Source) awaitDelivery(ctx context.Context, o outlook) error {
	if o.delivered != nil {
		select {
		case <-o.delivered:
		case <-ctx.Done():
		case <-s.closing:
		}
	}
	return o.err
}

func (s *Source) viewLocked() view {
	return view{
		session:     s.session,
		ended:       s.ended,
		unread:      s.unread && !s.alone,
		stored:      s.cfg.Store != nil,
		canLogin:    s.cfg.Login != nil,
		invalidated: s.invalidated,
		warned:      s.warned,
		unsaved:     s.unsaved,
		flying:      s.flight != nil,
		failed:      s.failure.err != nil,
		loginFailed: s.failure.login,
		retryAt:     s.failure.next,
		saveAt:      s.saveAt,
		rereadAt:    s.rereadAt,
	}
}

// noticeLocked notes what a decision says that time has brought about, and
// reports whether that was an end, after which another decision is due.
func (s *Source) noticeLocked(d decision, now instant) (ended bool) {
	if d.end != 0 && s.ended == 0 {
		s.endLocked(d.end, nil, now)
		ended = true
	}
	if d.warn {
		s.warned = true
		reason := FixedExpired
		if !s.session.refreshable() {
			reason = RefreshExpired
		}
		s.announceLocked(now, Event{Kind: EventEnding, Reason: reason, NextAt: s.session.end.wall})
	}
	return ended
}

// refreshQuietLocked decides what callers are served without a look.
func (s *Source) refreshQuietLocked(now instant) {
	v := s.viewLocked()
	d := decide(&v, now)
	if s.closed || !d.serve || d.act != doNothing || d.warn || d.end != s.ended {
		s.quiet.Store(nil)
		return
	}
	until := nextChange(&v, now)
	if q := s.quiet.Load(); q == nil || q.bearer != s.session.bearer || q.until != until {
		s.quiet.Store(&quiet{bearer: s.session.bearer, until: until})
	}
}

// answerLocked is what a caller is told for whom there is no token.
func (s *Source) answerLocked() error {
	if s.ended != 0 {
		e := s.loginRequiredLocked()
		if s.failure.err != nil {
			e.Err = s.failure.err
		}
		return e
	}
	return &UnavailableError{NextAt: s.failure.nextAt, Err: s.failure.err}
}
