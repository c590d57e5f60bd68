package tokensource

import (
	"context"

	"github.com/agsauth/agsauth/ags"
	"github.com/agsauth/agsauth/tokensource/internal/dualclock"
)

// SignOnWith returns a LoginFunc that signs on at the gateway with the
// parameters of request. It sends the client identifier of the ended session, so
// that the device is the same one; or that of request, when none is known; or,
// for a device that is new, or was deleted, the device information of request.
func SignOnWith(client *ags.Client, request ags.SignOnRequest) LoginFunc {
	return func(ctx context.Context, ended *LoginRequiredError) (*ags.Token, error) {
		r := request
		if ended.ClientID != "" {
			r.ClientID = ended.ClientID
		}
		if ags.DeviceDeleted(ended.Err) {
			r.ClientID = ""
		}
		if r.ClientID != "" {
			r.DeviceInformation = nil
		}
		return client.SignOn(ctx, r)
	}
}

// loginKey marks the context of a Login with the Source that it is for.
type loginKey struct{}

// inLogin reports whether ctx is, or comes from, that of this Source's Login.
func (s *Source) inLogin(ctx context.Context) bool {
	source, _ := ctx.Value(loginKey{}).(*Source)
	return source == s
}

// flyLogin runs Login, under the lock, unless it turns out that another process
// has signed on.
func (s *Source) flyLogin(f *flight) { s.publish(f, s.loginUnderLock(f)) }

func (s *Source) loginUnderLock(f *flight) func(now dualclock.Instant) {
	if err := s.takeTurn(f.ctx, s.cfg.settings().lockTimeout); err != nil {
		return s.loginFailed(f, err)
	}
	defer s.leaveTurn()
	var read *record
	if s.cfg.Store != nil {
		unlock, err := s.lock(f.ctx, s.cfg.settings().lockTimeout)
		defer func() { unlock(f.whole) }()
		if err == nil {
			read, err = s.loadAside(f.ctx)
		}
		if err != nil {
			// A sign-on is not spent while another one may be stored.
			return s.loginFailed(f, err)
		}
		s.adopt(f.epoch, read)
	}
	if !s.stillDue(doLogin) {
		return nil
	}
	ended := s.ending()
	answer, err := s.runLogin(f.ctx, f, ended)
	if err != nil {
		return s.loginFailed(f, err)
	}
	s.mu.Lock()
	former := s.device
	s.mu.Unlock()
	return s.loggedIn(f, s.handedInSession(answer, former))
}

// loggedIn saves a new session, and returns how it is published.
func (s *Source) loggedIn(f *flight, next *session) func(now dualclock.Instant) {
	if next.schedule().served.PassedOnEither(s.watch.Now()) {
		return s.loginFailed(f, errDeadAnswer)
	}
	if !s.bring(f, next.pair()) {
		return nil
	}
	generation, newer, err := int64(0), (*record)(nil), error(nil)
	if s.cfg.Store != nil && !s.overtaken(f.epoch) {
		generation, newer, err = s.commit(f.whole, recordOf(next, 0), false)
	}
	if s.overtaken(f.epoch) {
		return nil
	}
	if newer != nil {
		s.signOutIfEnded(next.pair(), newer)
		adopt, draw := s.adoption(newer), s.draw()
		return func(now dualclock.Instant) {
			s.setLoginsLocked(s.loginsLocked().afterLogin(next, now, draw))
			adopt(now)
		}
	}
	draw := s.draw()
	return func(now dualclock.Instant) {
		// Not insisted upon: a human's wish that was stored meanwhile goes before.
		saved := s.savedLocked(generation, err, false, now)
		s.setLoginsLocked(s.loginsLocked().afterLogin(next, now, draw))
		s.publishLocked(next, Event{Kind: EventLoggedIn}, now)
		s.announceAllLocked(now, saved)
	}
}

// ending describes the end of the session that Login is to make up for: one that
// has come, or one that is so near that no refresh wins time any more.
func (s *Source) ending() *LoginRequiredError {
	now := s.watch.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.loginRequiredLocked()
	if e.Reason == 0 {
		e.Reason = FixedExpired
		if s.session != nil && !s.session.refreshable() {
			e.Reason = RefreshExpired
		}
		e.At = endAt(s.session, e.Reason, now)
	}
	return e
}

// runLogin calls Login; once more, as a first-time device, when the gateway has
// forgotten the one that we were.
func (s *Source) runLogin(ctx context.Context, f *flight, ended *LoginRequiredError) (*ags.Token, error) {
	ctx = context.WithValue(ctx, loginKey{}, s)
	late := func(answer *ags.Token) { s.bring(f, answer) }
	call := func(ctx context.Context) (*ags.Token, error) {
		answer, err := s.cfg.Login(ctx, ended)
		if err == nil && (answer == nil || answer.AccessToken.IsZero()) {
			err = errNoToken
		}
		return answer, err
	}
	answer, err := bounded(ctx, s, 0, "Login", call, late)
	if ended.ClientID == "" || !ags.DeviceDeleted(err) {
		return answer, err
	}
	s.mu.Lock()
	if s.epoch == f.epoch {
		s.device.clientID = ""
	}
	s.mu.Unlock()
	again := *ended
	again.ClientID, again.Err = "", err
	ended = &again
	return bounded(ctx, s, 0, "Login", call, late)
}

// loginFailed keeps a failed login in mind until the next one is due, and makes
// it the answer for all who wait.
func (s *Source) loginFailed(f *flight, err error) func(now dualclock.Instant) {
	if f.ctx.Err() != nil {
		return nil
	}
	draw := s.draw()
	return func(now dualclock.Instant) {
		l := s.loginsLocked().afterFailure(err, classifyLogin(err), s.leftLocked(now), now, draw)
		s.setLoginsLocked(l)
		if s.ended == nil {
			s.invalidated = s.invalidated.refreshFailed()
		}
		s.announceLocked(now, Event{Kind: EventLoginFailed, Reason: s.endedLocked(), Err: err, NextAt: l.failure.nextAt})
		f.err = s.answerLocked()
	}
}
