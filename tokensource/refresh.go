package tokensource

import (
	"context"
	"errors"
	"io/fs"
	"time"

	"github.com/agsauth/agsauth/ags"
	"github.com/agsauth/agsauth/tokensource/internal/lifecycle"
	"github.com/agsauth/agsauth/tokensource/internal/sharing"
	"github.com/agsauth/agsauth/tokensource/internal/task"
)

// saving says whether a new pair is saved.
type saving uint8

const (
	mayBeSaved saving = iota
	mustNotBeSaved
)

// refresh redeems the refresh token under the lock, unless another process has done so.
//
// The order minimizes what a crash can lose: slot, lock, load, adopt what is newer, mark
// the attempt, ask the gateway, save, unlock; then publish.
func (op *operation) refresh() lifecycle.Outcome {
	s := op.src
	v := op.view()
	if op.pause(v.SpacingLeft(v.now)) != nil {
		return nil
	}
	limit, lockTimeout := op.lockWait(), s.cfg.settings().lockTimeout
	leave, err := op.acquire(limit)
	defer leave()
	if err != nil && limit < lockTimeout {
		return nil
	}
	if err != nil {
		return op.transientFailure(err)
	}
	if s.shared == nil {
		return op.redeem(nil, mayBeSaved)
	}
	unlock, err := s.shared.Lock(op.ctx, limit)
	defer func() { unlock(op.detachedCtx) }()
	switch {
	case err == nil:
		return op.refreshUnderLock()
	case errors.Is(err, sharing.ErrLockHeld):
		return op.refreshPastHolder(limit < lockTimeout)
	default:
		return op.refreshWithoutStore(err)
	}
}

// refreshUnderLock refreshes while the lock is held. What is stored comes first.
func (op *operation) refreshUnderLock() lifecycle.Outcome {
	s := op.src
	for range sharing.MaxConflicts {
		rec, err := s.shared.LoadSettingAside(op.ctx)
		if errors.Is(err, sharing.ErrDamaged) {
			return op.redeemUnread(err, mustNotBeSaved)
		}
		if err != nil {
			return op.refreshWithoutStore(err)
		}
		op.adopt(rec)
		if outcome := op.deferredRejection(); outcome != nil {
			return outcome
		}
		if !op.isStillDue() {
			return nil // before a pair is marked that nobody refreshes
		}
		rec, err = op.markAttempt(rec)
		switch {
		case errors.Is(err, fs.ErrExist):
		case err != nil && !op.mayRefreshUnsaved():
			// The new pair could not be saved either, and may be the only good one.
			return op.waitForStore(err)
		default:
			return op.redeem(rec, mayBeSaved)
		}
	}
	return op.transientFailure(&sharing.Error{Op: "save", Err: sharing.ErrLockHeld})
}

// markAttempt stores that a refresh of the current pair is under way, so that a process
// that finds the mark later knows that the token may have been redeemed. It returns the
// record as it is then stored. The error Is fs.ErrExist if another process has stored a
// record meanwhile, which must be loaded.
func (op *operation) markAttempt(read *sharing.Record) (marked *sharing.Record, err error) {
	s := op.src
	v := op.view()
	if v.isOver || v.Pair() == nil {
		return read, nil
	}
	marked = recordOf(&v.State)
	marked.Generation = v.Generation()
	if read == nil || v.Pending() != lifecycle.SaveNothing || read.Generation < v.Generation() {
		marked.Generation = s.shared.NextGeneration()
	} else {
		op.observeAttempt(read)
	}
	err = s.shared.MarkAttempt(op.detachedCtx, marked, v.now.Wall)
	switch {
	case errors.Is(err, fs.ErrExist):
		return nil, err
	case err != nil:
		s.announce(Event{Kind: EventStoreFailed, Err: err})
		return marked, err
	}
	op.apply(lifecycle.Saved{SaveResult: lifecycle.SaveResult{Generation: marked.Generation}})
	return marked, nil
}

// observeAttempt notes that another process has begun to refresh the current pair and has
// not finished: the token may have been redeemed.
func (op *operation) observeAttempt(read *sharing.Record) {
	v := op.view()
	if read != nil && read.Generation == v.Generation() && op.src.shared.HasForeignAttempt(read) {
		op.apply(lifecycle.AnswerLost{Pair: v.Pair()})
	}
}

// redeem asks the gateway for a new pair and saves it. read is the record loaded last.
func (op *operation) redeem(read *sharing.Record, saving saving) lifecycle.Outcome {
	s, before := op.src, op.view()
	current := before.Pair()
	if current == nil || before.End() != nil || before.isOver || !op.isStillDue() {
		return nil
	}
	answer, err := op.ask(current)
	if err != nil {
		return op.refreshFailed(current, read, err)
	}
	op.apply(lifecycle.PairRedeemed{Pair: current})
	if !op.receive(answer) {
		return nil
	}
	arrival := lifecycle.Arrival{Origin: lifecycle.FromGateway, At: before.now, Former: current}
	if s.cfg.onGrant() != nil {
		return op.exchange(answer, arrival, saving)
	}
	return op.refreshed(s.newPair(answer, arrival), saving)
}

// refreshed saves the pair that a refresh has come to.
func (op *operation) refreshed(next *lifecycle.Pair, saving saving) lifecycle.Outcome {
	result, outcome := op.saveGranted(next, saving)
	if !result.used {
		return outcome
	}
	return lifecycle.Refreshed{Pair: next, Save: result.SaveResult, Draw: op.src.cfg.draw()}
}

// savedGrant is how the save of a granted pair went, and whether the pair is used.
type savedGrant struct {
	lifecycle.SaveResult

	used bool
}

// saveGranted saves a pair that the gateway has granted. If the pair is not used, outcome
// is what the refresh has come to.
func (op *operation) saveGranted(next *lifecycle.Pair, saving saving) (result savedGrant, outcome lifecycle.Outcome) {
	s := op.src
	var newer *sharing.Record
	switch {
	case saving == mustNotBeSaved:
		result.Err = sharing.ErrDamaged
	case s.shared != nil:
		// Saved even if a SetToken has begun: until that has saved, other processes would
		// find the redeemed token.
		after := op.view()
		overwrite := !after.isOver && after.Pending() == lifecycle.SaveOverwrite
		result.SaveResult, newer = op.commit(recordOfPair(next), after.Generation(), overwrite)
	}
	switch {
	case op.view().isOver:
		return result, nil
	case newer != nil:
		op.signOutIfEnded(tokenOf(next), newer)
		return result, lifecycle.Adopted{Record: s.stored(newer)}
	}
	result.used = true
	return result, nil
}

// ask makes one attempt, within RefreshTimeout. If the answer was lost on the way, or has
// not come after two thirds of that time, it asks again at once within the time that is
// left: the gateway may not have got the first request, or may give the same answer
// again. A Refresher that does not heed the end of its context is not called a second
// time before it has returned.
func (op *operation) ask(current *lifecycle.Pair) (*ags.Token, error) {
	s, pair := op.src, tokenOf(current)
	defer op.measure(s.cfg.clock.Now())
	ctx := ags.WithoutRetry(op.detachedCtx)
	first, expire := context.WithCancelCause(ctx)
	defer expire(context.DeadlineExceeded)
	refresh := func(ctx context.Context) (*ags.Token, error) {
		answer, err := s.cfg.refresher.Refresh(first, pair)
		if isAnswerLost(err) || first.Err() != nil && isAnswerLate(err) {
			op.apply(lifecycle.AnswerLost{Pair: current})
			if ctx.Err() == nil {
				op.charge()
				answer, err = s.cfg.refresher.Refresh(withSameCorrelation(ctx, err), pair)
			}
		}
		if err == nil && (answer == nil || answer.AccessToken.IsZero()) {
			err = errNoToken
		}
		return answer, err
	}
	whole := s.cfg.settings().refreshTimeout
	limit := task.Limit{Whole: whole, First: whole - whole/3, Expire: func() { expire(context.DeadlineExceeded) }}
	answer, err := task.Call(ctx, s.caller(), limit, "Refresher.Refresh", refresh, nil)
	op.answered(err)
	return answer, err
}

// charge counts a repetition at the Gate.
func (op *operation) charge() {
	if op.ticket != nil {
		op.src.cfg.gate().charge()
	}
}

// withSameCorrelation gives the repetition of a call the correlation identifier of the
// first, so that the platform's logs show them as one.
func withSameCorrelation(ctx context.Context, first error) context.Context {
	var e *ags.Error
	if !errors.As(first, &e) || e.CorrelationID == "" {
		return ctx
	}
	return ags.WithCorrelationID(ctx, e.CorrelationID)
}

// refreshFailed sorts a failure. A rejection by the gateway ends the session, but only if
// the store has nothing newer. Anything else is remembered.
func (op *operation) refreshFailed(current *lifecycle.Pair, read *sharing.Record, err error) lifecycle.Outcome {
	s := op.src
	if isOutcomeUnknown(err) {
		op.apply(lifecycle.AnswerLost{Pair: current})
	}
	cause, v := causeOf(err, classifyRefresh(err)), op.view()
	if read != nil && !v.IsOutcomeUnknown() {
		var rejectedAt time.Time
		if cause.Class == lifecycle.Terminal {
			rejectedAt = v.now.Wall
		}
		s.shared.ClearAttempt(op.detachedCtx, read, rejectedAt)
	}
	if cause.Class != lifecycle.Terminal {
		return lifecycle.RefreshFailed{Cause: cause, Draw: s.cfg.draw()}
	}
	if s.shared != nil {
		op.apply(lifecycle.OverwriteDropped{})
		rec, loadErr := s.shared.Load(op.detachedCtx)
		if loadErr != nil {
			return op.deferRejection(current, cause, loadErr)
		}
		if op.adopt(rec) {
			return nil
		}
	}
	return op.rejected(current, cause)
}

// deferRejection keeps a rejection until the store can be read: another process may have
// redeemed the token and stored its successor. Until then the gateway is not asked again
// with the token that it has rejected.
func (op *operation) deferRejection(p *lifecycle.Pair, rejection lifecycle.Cause, loadErr error) lifecycle.Outcome {
	cause := causeOf(errors.Join(loadErr, rejection.Err), lifecycle.Transient)
	return op.failure(lifecycle.RefreshFailed{Cause: cause, Deferred: &rejection, Pair: p})
}

// deferredRejection ends the session for a rejection that was deferred. The store was
// read just now and has nothing newer.
func (op *operation) deferredRejection() lifecycle.Outcome {
	v := op.view()
	if v.DeferredRejection() == nil || v.Pair() == nil {
		return nil
	}
	return op.rejected(v.Pair(), *v.DeferredRejection())
}

func (op *operation) rejected(p *lifecycle.Pair, cause lifecycle.Cause) lifecycle.Outcome {
	return lifecycle.Rejected{Cause: cause, Pair: p, DeviceDeleted: ags.DeviceDeleted(cause.Err), Draw: op.src.cfg.draw()}
}

// transientFailure returns the outcome of a failure outside the gateway.
func (op *operation) transientFailure(err error) lifecycle.Outcome {
	return op.failure(lifecycle.RefreshFailed{Cause: causeOf(err, lifecycle.Transient)})
}

// waitForStore returns the outcome of a refresh that the store holds up while there is a
// live token: the next attempt is due at its expiry at the latest.
func (op *operation) waitForStore(err error) lifecycle.Outcome {
	return op.failure(lifecycle.RefreshFailed{Cause: causeOf(err, lifecycle.Transient), DueAtExpiry: true})
}

// failure completes a failed refresh. If the operation was to end, it is no failure.
func (op *operation) failure(o lifecycle.RefreshFailed) lifecycle.Outcome {
	if op.ctx.Err() != nil {
		return nil
	}
	o.Draw = op.src.cfg.draw()
	return o
}
