package tokensource

import (
	"context"
	"errors"

	"github.com/agsauth/agsauth/ags"
	"github.com/agsauth/agsauth/tokensource/internal/dualclock"
)

// SignOut ends the session. It does so in this order: here, at once and in any case;
// in the store, where a mark ends the session in the other processes as well, keeps
// the device's identity, and keeps the tokens until the gateway has been told; then at
// the gateway, if the Refresher can; and at last it takes the tokens out of the mark.
// A process that finds a mark with tokens in it, after a crash or while the gateway
// could not be reached, tells the gateway.
//
// SignOut waits for the store as SetToken does, and for the gateway as long as a
// refresh would for each pair; the end of ctx ends all waits. The error says which of
// these steps failed. What could not be stored is stored later, and with a Store the
// gateway is told later, too. After Close the error is [ErrClosed].
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
	epoch, pairs := s.endHere()
	s.deliver(ctx)
	if s.cfg.Store == nil {
		return s.signOutPairs(ctx, pairs)
	}
	mark, release, storeErr := s.saveSignOut(ctx, epoch)
	defer release()
	gatewayErr := s.signOutPairs(ctx, s.pairsToSignOut())
	if mark != nil && len(mark.SignOutPending) > 0 {
		storeErr = s.write(context.WithoutCancel(ctx), mark) // without the pairs that the gateway was told of
	}
	return errors.Join(gatewayErr, callError(ctx, "sign out", storeErr))
}

// endHere is the local part of a sign-out. It returns the pairs that the gateway is to
// be told to sign out: that of the session, and those that a refresh or login has
// brought and that are not in use yet. With a Store they are queued as well.
func (s *Source) endHere() (epoch uint64, pairs []*ags.Token) {
	now := s.watch.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	var queue *signOutQueue
	if s.session != nil {
		queue = queue.add(s.session.pair())
	}
	for f := s.flightLocked(); f != nil; f = f.overtook {
		f.signedOut = true
		if f.brought != nil {
			queue = queue.add(f.brought)
		}
	}
	s.abandonLocked(errSignedOut)
	s.outrunLocked(s.session)
	s.session, s.invalidated, s.failure = nil, notInvalidated, nil
	if l := s.ledger; l != nil {
		// Until the mark is stored nothing is adopted from there.
		l.unread, l.pending, l.saveAt, l.rereadAt = false, saveOverwrite, dualclock.Never(), dualclock.Never()
		if s.canSignOut() {
			for _, pair := range queue.pending() {
				l.signOuts = l.signOuts.add(pair)
			}
		}
	}
	s.endLocked(SignedOut, nil, now)
	s.wakeLocked()
	return s.epoch, queue.pending()
}

// saveSignOut stores the mark of a sign-out, with the pairs that the gateway is still
// to be told of, and returns it; nil when it could not be stored. The exclusive slot
// and the lock, if they were had, are kept until release is called.
func (s *Source) saveSignOut(ctx context.Context, epoch uint64) (mark *record, release func(), err error) {
	mark, release, err = s.markSignedOut(ctx, epoch)
	now := s.watch.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.epoch != epoch {
		return mark, release, nil
	}
	generation := int64(0)
	if mark != nil {
		generation = mark.Generation
	}
	s.ledger.rereadAt = now.Add(rereadInterval).Deadline()
	first := s.ledger.saveFailures == 0
	if saved := s.savedLocked(generation, err, true, now); err != nil || !first {
		s.announceAllLocked(now, saved) // a save that never failed is not made up for
	}
	s.refreshQuietLocked(now)
	return mark, release, err
}

func (s *Source) markSignedOut(ctx context.Context, epoch uint64) (mark *record, release func(), err error) {
	values, lockTimeout := context.WithoutCancel(ctx), s.cfg.settings().lockTimeout
	if err := s.takeTurn(ctx, lockTimeout); err != nil {
		return nil, func() {}, err
	}
	unlock, err := s.lock(ctx, lockTimeout)
	release = func() {
		unlock(values)
		s.leaveTurn()
	}
	if err != nil {
		return nil, release, err
	}
	read, err := s.loadAside(ctx)
	if err != nil {
		return nil, release, err
	}
	if s.overtaken(epoch) {
		return nil, release, errSuperseded
	}
	s.replaceStored(read, epoch)
	rec, _ := s.toSave()
	if read != nil {
		rec.saveOver(read)
	}
	if _, _, err = s.commit(values, rec, true); err != nil {
		return nil, release, err
	}
	return rec, release, nil
}

// replaceStored prepares for a mark in the place of a record. The pair of that record
// would be stored nowhere afterwards, and so is to be signed out, too. Where nobody
// has asked for a token yet it also tells whose session it is that ends.
func (s *Source) replaceStored(read *record, epoch uint64) {
	if read == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.epoch == epoch && s.device == (device{}) {
		s.device = device{read.ClientID, read.AccountID}
	}
	if s.canSignOut() && !read.tombstone() && !s.outranLocked(read) {
		s.ledger.signOuts = s.ledger.signOuts.add(read.token())
	}
}

// canSignOut reports whether the Refresher can tell the gateway of a sign-out.
func (s *Source) canSignOut() bool {
	_, ok := s.cfg.Refresher.(signOuter)
	return ok
}

// pairsToSignOut returns the pairs that the gateway is still to be told to sign out.
func (s *Source) pairsToSignOut() []*ags.Token {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ledger.signOuts.pending()
}

// signOutPairs tells the gateway to sign out pairs. The error is of the first of them,
// and of others only if it is no rejection: those are of the same session, mostly, and
// gone with it.
func (s *Source) signOutPairs(ctx context.Context, pairs []*ags.Token) error {
	var errs []error
	for i, pair := range pairs {
		err := s.signOutAtGateway(ctx, pair)
		if i == 0 || !errors.Is(err, ags.ErrUnauthorized) {
			errs = append(errs, callError(ctx, "sign out", err))
		}
	}
	return errors.Join(errs...)
}

// signOutAtGateway tells the gateway to sign out a pair, if the Refresher can. What the
// gateway has answered for good is not told again; what failed for a passing reason is
// queued, where there is a Store.
func (s *Source) signOutAtGateway(ctx context.Context, pair *ags.Token) error {
	client, ok := s.cfg.Refresher.(signOuter)
	if !ok {
		return nil
	}
	_, err := bounded(ctx, s, s.cfg.settings().refreshTimeout, "Refresher.SignOut", func(ctx context.Context) (struct{}, error) {
		return struct{}{}, client.SignOut(ctx, pair)
	}, nil)
	s.signOutAnswered(pair, err)
	return err
}

func (s *Source) signOutAnswered(pair *ags.Token, err error) {
	now := s.watch.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.ledger
	if l == nil {
		return
	}
	if err == nil || classifyRefresh(err) != passing {
		l.signOuts = l.signOuts.told(pair.AccessToken.Reveal())
		return
	}
	l.signOuts = l.signOuts.add(pair)
	l.signOuts.postpone(now)
}

// signOutIfEnded queues a pair that the gateway has just granted for a session that,
// by the record found instead, was signed out meanwhile: it will be stored nowhere.
func (s *Source) signOutIfEnded(pair *ags.Token, found *record) {
	if !found.tombstone() || !s.canSignOut() {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ledger.signOuts = s.ledger.signOuts.add(pair)
}

// flySignOut tells the gateway of the sign-outs that it does not know of yet.
func (s *Source) flySignOut(f *flight) { s.publish(f, s.signOutUnderLock(f)) }

func (s *Source) signOutUnderLock(f *flight) func(now dualclock.Instant) {
	postponed := func(now dualclock.Instant) { s.ledger.signOuts.postpone(now) }
	if s.takeTurn(f.ctx, lockRecheck) != nil {
		return postponed
	}
	defer s.leaveTurn()
	unlock, err := s.lock(f.ctx, lockRecheck)
	defer func() { unlock(f.whole) }()
	if err != nil {
		return postponed
	}
	read, err := s.loadAside(f.ctx)
	if err != nil {
		return postponed
	}
	s.adopt(f.epoch, read)
	_ = s.signOutPairs(f.whole, s.pairsToSignOut())
	if read == nil {
		s.observeSignOuts(nil)
	} else if err := s.write(f.whole, read); err != nil { // without the pairs that the gateway was told of
		return postponed
	}
	return func(dualclock.Instant) {}
}
