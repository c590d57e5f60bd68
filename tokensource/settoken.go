package tokensource

import (
	"context"
	"errors"

	"github.com/agsauth/agsauth/ags"
)

// SetToken hands in a session: after a human has signed on, say. It replaces
// whatever there was, ended or not, and overtakes a refresh or login under way.
// With a Store it is saved first, as a new generation; SetToken waits for the
// store until ctx ends, or LockTimeout has passed. An error says that the token
// could not be saved: it is in use all the same, and is saved later. Only with
// [ErrClosed], with a token that has no access token, and when another SetToken
// or SignOut came after this one, is it not in use.
func (s *Source) SetToken(ctx context.Context, t *ags.Token) error {
	if t == nil || t.AccessToken.IsZero() {
		return errors.New("tokensource: SetToken: no access token")
	}
	if s.inLogin(ctx) {
		return errInLogin
	}
	ctx, leave, err := s.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	defer s.deliver(ctx)
	intent, clientID, accountID := s.overtake()
	next := s.giveToken(t, clientID, accountID)
	generation, saveErr := int64(0), error(nil)
	if s.cfg.Store != nil {
		rec := recordOf(next, 0)
		generation, saveErr = s.saveAtWill(ctx, rec, intent)
		next = s.giveToken(t, rec.ClientID, rec.AccountID)
	}
	now := s.watch.now()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.intent != intent {
		return errSuperseded
	}
	s.abandonLocked(errSuperseded) // what was begun meanwhile was for the former session
	s.savedLocked(generation, saveErr, true, now)
	s.publishLocked(next, Event{Kind: EventTokenSet}, now)
	s.wakeLocked()
	if saveErr != nil {
		return errors.Join(errors.New("tokensource: SetToken: the token is in use, but not saved"), saveErr)
	}
	return nil
}

// overtake gives up on what is under way for the former session, and returns the
// identity that the next one inherits.
func (s *Source) overtake() (intent uint64, clientID, accountID string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.abandonLocked(errSuperseded)
	return s.intent, s.clientID, s.accountID
}

// saveAtWill saves what a human asked for over whatever is stored, unless a later
// wish has come in between.
func (s *Source) saveAtWill(ctx context.Context, rec *record, intent uint64) (generation int64, err error) {
	if err := s.takeTurn(ctx, s.set.lockTimeout); err != nil {
		return 0, err
	}
	defer s.leaveTurn()
	values := context.WithoutCancel(ctx)
	unlock, err := s.lock(ctx, s.set.lockTimeout)
	defer func() { unlock(values) }()
	if err != nil {
		return 0, err
	}
	read, err := s.loadAside(ctx)
	if err != nil {
		return 0, err
	}
	if s.over(intent) {
		return 0, errSuperseded
	}
	generation, _, err = s.commit(values, rec, read, true)
	return generation, err
}

// giveToken makes a token of the user's a session that goes on with what is known
// of the device.
func (s *Source) giveToken(t *ags.Token, clientID, accountID string) *session {
	given := *t
	if given.ClientID == "" {
		given.ClientID = clientID
	}
	if given.AccountID == "" {
		given.AccountID = accountID
	}
	return newSession(arrival{token: &given, from: handedIn, at: s.watch.now(), draw: s.draw()}, &s.set)
}
