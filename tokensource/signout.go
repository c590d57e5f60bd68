package tokensource

import (
	"context"
	"errors"
	"slices"

	"github.com/agsauth/agsauth/ags"
	"github.com/agsauth/agsauth/tokensource/internal/lifecycle"
	"github.com/agsauth/agsauth/tokensource/internal/sharing"
	"github.com/agsauth/agsauth/tokensource/internal/task"
)

// SignOut ends the session. It first ends the session in this Source, at once and in any
// case. It then writes a mark to the store, which ends the session in other processes and
// keeps the device's identity and, until the gateway has been told, the tokens. Next it
// signs out at the gateway, if the Refresher has a SignOut method. Finally it removes the
// tokens from the mark. A process that finds a mark with tokens in it, after a crash or
// while the gateway could not be reached, tells the gateway.
//
// SignOut waits for the store as SetToken does, and for the gateway as long as a refresh
// would for each pair; the end of ctx ends all waits. The error says which of these steps
// failed. What could not be stored is stored later, and with a Store the gateway is told
// later, too. After Close the error is [ErrClosed].
func (s *Source) SignOut(ctx context.Context) error {
	if s.isInLogin(ctx) {
		return errInLogin
	}
	op, leave, err := s.enter(ctx, lifecycle.SignOut)
	if err != nil {
		return err
	}
	defer leave()
	return op.signOut()
}

func (op *operation) signOut() error {
	s, pairs := op.src, op.signOutHere()
	s.dispatch(op.detachedCtx)
	if s.shared == nil {
		return op.signOutPairs(op.ctx, pairs)
	}
	mark, release, storeErr := op.saveMark()
	defer release()
	gatewayErr := op.signOutPairs(op.ctx, s.shared.PendingSignOuts())
	if mark != nil && len(mark.SignOutPending) > 0 {
		storeErr = s.shared.Save(op.detachedCtx, mark) // without the pairs that the gateway was told of
	}
	return errors.Join(gatewayErr, callError(op.ctx, "sign out", storeErr))
}

// signOutHere ends the session in this process. It returns the pairs that the gateway
// must be told to sign out: that of the session, and those that a refresh or login has
// got and that are not in use yet. With a Store they are queued as well.
func (op *operation) signOutHere() (pairs []*ags.Token) {
	s := op.src
	now := s.cfg.clock.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	if p := s.state.Pair(); p != nil {
		pairs = append(pairs, tokenOf(p))
	}
	for e := s.work.epoch; e != nil; e = e.former {
		e.over = errSignedOut
		if t := e.received; t != nil && !slices.ContainsFunc(pairs, isSamePair(t)) {
			pairs = append(pairs, t)
		}
	}
	s.supersedeLocked(errSignedOut)
	op.epoch = s.work.epoch
	op.queueSignOut(pairs...)
	s.applyLocked(lifecycle.SignedOutHere{}, now)
	s.notifyWaitersLocked()
	return pairs
}

func isSamePair(t *ags.Token) func(*ags.Token) bool {
	return func(other *ags.Token) bool { return t.AccessToken.Reveal() == other.AccessToken.Reveal() }
}

// saveMark stores the mark of a sign-out, with the pairs that the gateway must still be
// told of, and returns it, nil if it could not be stored. The exclusive slot and the lock
// are held until release is called.
func (op *operation) saveMark() (mark *sharing.Record, release func(), err error) {
	v := op.view()
	mark, release, err = op.saveExplicitly(recordOf(&v.State))
	result := lifecycle.SaveResult{Generation: mark.Generation, Err: err, Overwrite: true}
	if _, applied := op.apply(lifecycle.MarkSaved{SaveResult: result}); !applied {
		return nil, release, nil
	}
	if err != nil {
		return nil, release, err
	}
	return mark, release, nil
}

// saveExplicitly saves, for an explicit SetToken or SignOut, a record over whatever is
// stored, unless another one has come in between. What the record does not say of the
// device is filled in from what was stored. The exclusive slot and the lock, if they were
// had, are held until release is called.
func (op *operation) saveExplicitly(rec *sharing.Record) (saved *sharing.Record, release func(), err error) {
	lockTimeout := op.src.cfg.settings().lockTimeout
	read, release, err := op.open(lockTimeout, lockTimeout)
	if err == nil && op.view().isOver {
		err = errSuperseded
	}
	if err != nil {
		return rec, release, err
	}
	rec.SaveOver(read)
	if rec.IsSignOut() {
		op.replaceByMark(read)
	}
	result, _ := op.commit(rec, 0, true)
	return rec, release, result.Err
}

// replaceByMark prepares for the mark of a sign-out in the place of a record. The mark
// overwrites the only copy of the record's pair, so that is to be signed out, too.
func (op *operation) replaceByMark(read *sharing.Record) {
	if read == nil {
		return
	}
	op.apply(lifecycle.MarkReplaces{Device: lifecycle.Device{ClientID: read.ClientID, AccountID: read.AccountID}})
	if v := op.view(); !read.IsSignOut() && !v.IsSuperseded(fingerprintOf(read)) {
		op.queueSignOut(read.Token())
	}
}

// signOutPairs tells the gateway to sign out pairs, if the Refresher can. With a Store,
// what failed for a transient reason is told again later. signOutPairs returns the first
// pair's error and, of the others, those that are transient. Mostly the others are of the
// same session, so that the gateway does not know them any more.
func (op *operation) signOutPairs(ctx context.Context, pairs []*ags.Token) error {
	s := op.src
	client := s.cfg.signOuter()
	if client == nil {
		return nil
	}
	var errs []error
	var unanswered []*ags.Token
	for i, pair := range pairs {
		signOut := func(ctx context.Context) error { return client.SignOut(ctx, pair) }
		err := task.Do(ctx, s.caller(), s.cfg.settings().refreshTimeout, "Refresher.SignOut", signOut)
		isAnswered := err == nil || classifyRefresh(err) != lifecycle.Transient
		if i == 0 || !isAnswered {
			errs = append(errs, callError(ctx, "sign out", err))
		}
		switch {
		case !isAnswered:
			unanswered = append(unanswered, pair)
		case s.shared != nil:
			s.shared.SignOutAnswered(pair)
		}
	}
	if len(unanswered) > 0 && s.shared != nil {
		s.shared.QueueSignOut(unanswered...)
		s.shared.PostponeSignOuts()
	}
	return errors.Join(errs...)
}

// queueSignOut has the gateway told later to sign out pairs, if there is a store to keep
// them and the Refresher can.
func (op *operation) queueSignOut(pairs ...*ags.Token) {
	if s := op.src; s.shared != nil && s.cfg.signOuter() != nil {
		s.shared.QueueSignOut(pairs...)
	}
}

// signOutIfEnded queues a pair that the gateway has just granted for a session that was
// signed out meanwhile, as the record found instead says.
func (op *operation) signOutIfEnded(pair *ags.Token, found *sharing.Record) {
	if found.IsSignOut() {
		op.queueSignOut(pair)
	}
}

// signOutPending tells the gateway of the sign-outs that it does not know of.
func (op *operation) signOutPending() lifecycle.Outcome {
	s := op.src
	read, release, err := op.open(lockRecheck, lockRecheck)
	defer release()
	if err != nil {
		s.shared.PostponeSignOuts()
		return nil
	}
	op.adopt(read)
	_ = op.signOutPairs(op.detachedCtx, s.shared.PendingSignOuts())
	if read == nil {
		s.shared.NothingStored()
	} else if s.shared.Save(op.detachedCtx, read) != nil { // without the pairs that the gateway was told of
		s.shared.PostponeSignOuts()
	}
	return nil
}
