package tokensource

import (
	"errors"

	"github.com/agsauth/agsauth/tokensource/internal/lifecycle"
	"github.com/agsauth/agsauth/tokensource/internal/sharing"
)

// load reads the store: for the first time, or to see whether another process has revived
// a session that has ended.
func (op *operation) load() lifecycle.Outcome {
	s := op.src
	leave, err := op.acquire(op.lockWait())
	defer leave()
	if err == nil {
		err = op.readStore()
	}
	if err == nil || op.ctx.Err() != nil {
		return nil
	}
	v := op.view()
	isGivenUp := s.shared.IsGivenUp() && !v.HasLiveToken(v.now) && !sharing.MustLeaveAlone(err)
	return lifecycle.LoadFailed{
		Cause: causeOf(err, lifecycle.Transient), Abandon: isGivenUp || errors.Is(err, sharing.ErrDamaged), Draw: s.cfg.draw(),
	}
}

// readStore reads what is stored and adopts it if it is newer. The caller must hold the
// exclusive slot.
func (op *operation) readStore() error {
	s := op.src
	rec, err := s.shared.Load(op.ctx)
	mustSave := err == nil && op.prefersConfigToken(rec)
	if mustSave || errors.Is(err, sharing.ErrDamaged) {
		// Something is to be written, which takes the lock and another look.
		unlock, lockErr := s.shared.Lock(op.ctx, op.lockWait())
		defer func() { unlock(op.detachedCtx) }()
		mustSave = false // without the lock it is saved later
		if lockErr == nil {
			rec, err = s.shared.LoadSettingAside(op.ctx)
			mustSave = err == nil && op.prefersConfigToken(rec)
		}
	}
	switch {
	case err != nil:
		return err
	case mustSave:
		op.saveConfigToken(rec)
	case !op.adopt(rec):
		op.apply(lifecycle.NothingNew{IsEmpty: rec == nil})
	}
	return nil
}

// beginWith begins with a record that the store has loaded. Anything but a plain record is
// left to the first load, which can deal with it.
func (s *Source) beginWith(record []byte) {
	rec, err := s.shared.Begin(record)
	if err != nil {
		return
	}
	now, stored := s.cfg.clock.Now(), s.stored(rec)
	if s.state.PrefersConfigToken(stored, now) {
		return
	}
	s.state, _ = s.state.Apply(lifecycle.Found{Record: stored}, now)
	s.refreshSnapshotLocked(now)
}

// prefersConfigToken reports whether Config.Token takes precedence over the stored
// record.
func (op *operation) prefersConfigToken(rec *sharing.Record) bool {
	v := op.view()
	if v.Pair() == nil {
		return false // and what is stored need not be masked to find that out
	}
	return v.PrefersConfigToken(op.src.stored(rec), v.now)
}

// saveConfigToken saves Config.Token over what was read, unless another process that does
// not lock has stored something else.
func (op *operation) saveConfigToken(read *sharing.Record) {
	v := op.view()
	if v.isOver || v.Pair() == nil {
		return
	}
	known := v.Generation()
	if read != nil {
		known = max(known, read.Generation)
	}
	result, newer := op.commit(recordOf(&v.State), known, false)
	if newer != nil {
		op.adopt(newer)
		return
	}
	op.apply(lifecycle.ConfigTokenSaved{SaveResult: result})
}

// adopt takes over a stored record if it is newer than what is in memory, and reports
// whether it is. rec is nil if nothing is stored.
func (op *operation) adopt(rec *sharing.Record) (adopted bool) {
	stored := op.src.stored(rec)
	before, applied := op.apply(lifecycle.Found{Record: stored})
	return applied && before.Adopts(stored, before.now)
}
