package tokensource

import (
	"context"
	"errors"

	"github.com/agsauth/agsauth/tokensource/internal/lifecycle"
	"github.com/agsauth/agsauth/tokensource/internal/sharing"
	"github.com/agsauth/agsauth/tokensource/internal/task"
)

// save makes up for a save that failed.
func (op *operation) save() lifecycle.Outcome {
	read, release, err := op.open(lockRecheck, lockRecheck)
	defer release()
	switch {
	case errors.Is(err, task.ErrBusy), op.ctx.Err() != nil:
		return nil
	case err != nil:
		return lifecycle.Saved{SaveResult: lifecycle.SaveResult{Err: err}}
	case op.adopt(read), !op.isStillDue():
		return nil
	}
	return op.saveOver(read)
}

// saveOver saves what is in memory over what was just read.
func (op *operation) saveOver(read *sharing.Record) lifecycle.Outcome {
	v := op.view()
	overwrite := v.Pending() == lifecycle.SaveOverwrite
	rec := recordOf(&v.State)
	if overwrite {
		rec.SaveOver(read)
	}
	if rec.IsSignOut() {
		op.replaceByMark(read)
	}
	result, newer := op.commit(rec, v.Generation(), overwrite)
	if newer != nil {
		return lifecycle.Adopted{Record: op.src.stored(newer)}
	}
	result.Overwrite = overwrite
	return lifecycle.Saved{SaveResult: result}
}

// commit saves a record in the place of the one that was loaded. If another process has
// stored a later generation than known, commit saves nothing and returns that record; with
// overwrite it saves over it.
func (op *operation) commit(rec *sharing.Record, known int64, overwrite bool) (result lifecycle.SaveResult, newer *sharing.Record) {
	isNews := func(found *sharing.Record) bool {
		v := op.view()
		return v.IsNews(found.Generation, known, fingerprintOf(found))
	}
	if overwrite {
		isNews = nil
	}
	newer, err := op.src.shared.Commit(op.detachedCtx, rec, isNews)
	return lifecycle.SaveResult{Generation: rec.Generation, Err: err}, newer
}

// saveLast tries once more, after Close, to save what the store does not have.
func (s *Source) saveLast(ctx context.Context) error {
	op, leave := s.enterLast(ctx)
	defer leave()
	if v := op.view(); !v.IsWorthSaving() {
		return nil
	}
	read, release, err := op.open(s.cfg.settings().storeTimeout, lockRecheck)
	defer release()
	if err != nil {
		return err
	}
	if v := op.view(); !v.IsWorthSaving() {
		return nil // another call of Close has saved it
	}
	if op.adopt(read) {
		return nil
	}
	outcome := op.saveOver(read)
	op.apply(outcome)
	if saved, ok := outcome.(lifecycle.Saved); ok {
		return saved.Err
	}
	return nil
}

// enterLast registers what Close does after everything else has ended. It gets a new group
// if it can, because another call of Close may still wait for the former.
func (s *Source) enterLast(ctx context.Context) (op *operation, leave func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.work != nil && s.work.isIdle() {
		s.work = nil
	}
	return s.enterLocked(ctx, lifecycle.Save)
}
