package tokensource

import (
	"errors"
	"time"

	"github.com/agsauth/agsauth/tokensource/internal/lifecycle"
	"github.com/agsauth/agsauth/tokensource/internal/sharing"
)

// maxUnlockedWait is the longest random delay before a refresh without the lock.
const maxUnlockedWait = 2 * time.Second

// refreshPastHolder decides what to do when another process has held the lock for as long
// as was waited. Most likely it has refreshed, and what it stored is adopted. mayWait says
// that callers are served and the refresh can wait.
func (op *operation) refreshPastHolder(mayWait bool) lifecycle.Outcome {
	s := op.src
	rec, err := s.shared.Load(op.ctx)
	if err == nil {
		op.adopt(rec)
	}
	v := op.view()
	switch {
	case op.ctx.Err() != nil, !op.isStillDue(), mayWait:
		return nil
	case v.HasLiveToken(v.now), sharing.MustLeaveAlone(err):
		return op.transientFailure(sharing.ErrLockHeld)
	}
	return op.refreshUnlocked(sharing.ErrLockHeld)
}

// redeemUnread redeems the refresh token though the store could not be read, because of
// err. The gateway is not asked again with a token that it has rejected.
func (op *operation) redeemUnread(err error, saving saving) lifecycle.Outcome {
	if v := op.view(); v.DeferredRejection() != nil {
		return op.transientFailure(errors.Join(err, v.DeferredRejection().Err))
	}
	return op.redeem(nil, saving)
}

// refreshWithoutStore decides what to do when the lock or the record cannot be had. With a
// live token the refresh waits until the last chance to make it before callers must wait.
// Then, or without a live token, it is made without the store once the store is given up.
func (op *operation) refreshWithoutStore(err error) lifecycle.Outcome {
	v := op.view()
	mayWait := v.HasLiveToken(v.now) && !op.isLastChance()
	if sharing.MustLeaveAlone(err) || !op.src.shared.IsGivenUp() || mayWait {
		return op.transientFailure(err)
	}
	return op.refreshUnlocked(err)
}

// mayRefreshUnsaved reports whether a refresh is made though the store does not take the
// mark of it, so that it is not expected to take the new pair either. A live token makes
// the refresh wait, unless an API has rejected that token.
func (op *operation) mayRefreshUnsaved() bool {
	v := op.view()
	return !v.HasLiveToken(v.now) || v.IsInvalidated() || op.src.shared.IsGivenUp() && op.isLastChance()
}

func (op *operation) isLastChance() bool {
	v := op.view()
	return v.IsLastChance(op.src.cfg.settings().refreshTimeout, v.now)
}

// refreshUnlocked refreshes without the lock, after a random wait that keeps processes in
// the same position apart.
func (op *operation) refreshUnlocked(err error) lifecycle.Outcome {
	s := op.src
	v := op.view()
	wait := maxUnlockedWait
	if live := v.LiveFor(v.now); live > 0 {
		// While the token lives, there is no refresh unless the store can be read.
		if _, loadErr := s.shared.Load(op.ctx); loadErr != nil {
			return op.transientFailure(loadErr)
		}
		wait = min(wait, live/4)
	}
	s.announce(Event{Kind: EventUnlocked, Err: err})
	if op.pause(time.Duration(s.cfg.draw()*float64(wait))) != nil {
		return nil
	}
	rec, loadErr := s.shared.Load(op.ctx)
	if loadErr == nil && !errors.Is(err, sharing.ErrLockHeld) {
		if sharing.FailedTo("load", err) {
			return op.refreshUnderLock() // the lock was had all the time
		}
		// The store is back, also for all who were about to do the same.
		unlock, lockErr := s.shared.Lock(op.ctx, s.cfg.settings().lockTimeout)
		defer func() { unlock(op.detachedCtx) }()
		if lockErr == nil {
			return op.refreshUnderLock()
		}
		rec, loadErr = s.shared.Load(op.ctx) // the record may be old by now
	}
	if loadErr != nil {
		return op.refreshUnread(loadErr)
	}
	if op.adopt(rec) {
		if v := op.view(); v.HasLiveToken(v.now) {
			return nil // if a refresh is due, it can wait for the lock
		}
	}
	op.observeAttempt(rec)
	if outcome := op.deferredRejection(); outcome != nil {
		return outcome
	}
	return op.redeem(rec, mayBeSaved)
}

// refreshUnread refreshes though the store cannot be read. What was illegible when it was
// last read is not written over.
func (op *operation) refreshUnread(loadErr error) lifecycle.Outcome {
	loadErr = errors.Join(loadErr, op.src.shared.Unreadable())
	if sharing.MustLeaveAlone(loadErr) {
		return op.transientFailure(loadErr)
	}
	if errors.Is(loadErr, sharing.ErrDamaged) {
		return op.redeemUnread(loadErr, mustNotBeSaved)
	}
	return op.redeemUnread(loadErr, mayBeSaved)
}
