package tokensource

import (
	"context"
	"errors"

	"github.com/agsauth/agsauth/ags"
)

// SignOut ends the session: here, at once and in any case; then at the gateway,
// if the Refresher can; then in the store, where a mark is left that ends it in
// the other processes as well, and that keeps the device's identity. It waits
// for the gateway as long as a refresh would, and for the store as SetToken does;
// the end of ctx ends all waits. The error tells what of these failed; what could
// not be stored is stored later. After Close it is [ErrClosed].
func (s *Source) SignOut(ctx context.Context) error {
	if s.inLogin(ctx) {
		return errInLogin
	}
	ctx, leave, err := s.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	defer s.deliver(ctx)
	unread, epoch, former, late := s.endHere()
	s.deliver(ctx)
	if unread && former == nil {
		former = s.readFormer(ctx, epoch)
	}
	if former != nil {
		err = callError(ctx, "sign out", s.signOutAtGateway(ctx, former))
	}
	for _, pair := range late {
		// Rejected, it was of the session that is signed out already.
		if lateErr := s.signOutAtGateway(ctx, pair); !errors.Is(lateErr, ags.ErrUnauthorized) {
			err = errors.Join(err, callError(ctx, "sign out", lateErr))
		}
	}
	if s.cfg.Store != nil {
		err = errors.Join(err, callError(ctx, "sign out", s.saveTombstone(ctx, epoch)))
	}
	return err
}

// endHere is the local part of a sign-out. late are pairs that were had for the session,
// and are not in use yet.
func (s *Source) endHere() (unread bool, epoch uint64, former *ags.Token, late []*ags.Token) {
	now := s.watch.now()
	s.mu.Lock()
	defer s.mu.Unlock()
	for f := s.flightLocked(); f != nil; f = f.overtook {
		f.signedOut = true
		if f.brought != nil {
			late = append(late, f.brought)
		}
	}
	s.abandonLocked(errSignedOut)
	unread = s.ledger != nil && s.ledger.unread
	if s.session != nil {
		former = s.session.token
	}
	s.outrunLocked(s.session)
	s.session, s.invalidated, s.failure = nil, false, nil
	if l := s.ledger; l != nil {
		// Until the mark is stored nothing is adopted from there.
		l.unread, l.unsaved, l.forced, l.saveAt, l.rereadAt = false, true, true, never(), never()
	}
	s.endLocked(SignedOut, nil, now)
	s.wakeLocked()
	return unread, s.epoch, former, late
}

// readFormer finds out whose session it is that is stored, when nobody has asked
// for a token yet. If the store cannot be read, saving the tombstone will say so.
func (s *Source) readFormer(ctx context.Context, epoch uint64) *ags.Token {
	if s.takeTurn(ctx, s.cfg.settings().lockTimeout) != nil {
		return nil
	}
	defer s.leaveTurn()
	rec, err := s.load(ctx)
	if err != nil || rec == nil {
		return nil
	}
	s.mu.Lock()
	if s.epoch == epoch {
		s.device = device{rec.ClientID, rec.AccountID}
	}
	s.mu.Unlock()
	if rec.tombstone() {
		return nil
	}
	return rec.token()
}

// signOutAtGateway tells the gateway, if the Refresher can.
func (s *Source) signOutAtGateway(ctx context.Context, former *ags.Token) error {
	client, ok := s.cfg.Refresher.(signOuter)
	if !ok {
		return nil
	}
	_, err := bounded(ctx, s, s.cfg.settings().refreshTimeout, "Refresher.SignOut", func(ctx context.Context) (struct{}, error) {
		return struct{}{}, client.SignOut(ctx, former)
	}, nil)
	return err
}

// saveTombstone stores that the session was signed out.
func (s *Source) saveTombstone(ctx context.Context, epoch uint64) error {
	rec, _ := s.toSave()
	generation, leave, err := s.saveAtWill(ctx, rec, epoch)
	defer leave()
	now := s.watch.now()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.epoch != epoch {
		return nil
	}
	s.ledger.rereadAt = now.add(rereadInterval).horizon()
	first := s.ledger.saveFailures == 0
	if saved := s.savedLocked(generation, err, true, now); err != nil || !first {
		s.announceAllLocked(now, saved) // a save that never failed is not made up for
	}
	s.refreshQuietLocked(now)
	return err
}
