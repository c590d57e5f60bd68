package tokensource

import (
	"context"
	"errors"
	"time"

	"github.com/agsauth/agsauth/ags"
	"github.com/agsauth/agsauth/tokensource/internal/admission"
	"github.com/agsauth/agsauth/tokensource/internal/dualclock"
	"github.com/agsauth/agsauth/tokensource/internal/lifecycle"
	"github.com/agsauth/agsauth/tokensource/internal/sharing"
	"github.com/agsauth/agsauth/tokensource/internal/task"
)

// lockRecheck is how long an operation waits for the slot or the lock when no caller
// waits for the operation.
const lockRecheck = time.Second

// operation is a use of the store or the gateway. One that callers wait for is in flight:
// there is one at a time, on a goroutine of its own. Others belong to a public call.
type operation struct {
	src    *Source
	action lifecycle.Action
	epoch  *epoch
	slot   task.Slot
	// ctx ends by Close. Of an operation in flight it has the values of the call that
	// started it, but not its end, because a caller who leaves does not take the others'
	// refresh along; SetToken and SignOut end it, too.
	ctx    context.Context //nolint:containedctx // an operation is one call, and lives no longer
	cancel context.CancelCauseFunc
	// detachedCtx does not end. It is for what must not be broken off once it has begun,
	// because the gateway's answer may be the only pair that is good.
	detachedCtx context.Context //nolint:containedctx // as above

	ticket *admission.Ticket // of the Gate; nil if that was not asked
	called bool              // the Refresher or Login was called
	answer admission.Result  // what the Refresher or Login has told about the gateway

	took     time.Duration // how long the Refresher or Login took
	err      error         // the answer to those who waited; nil means: evaluate again
	awaited  bool          // a caller has waited for it; guarded by Source.mu
	finished bool          // guarded by Source.mu
	// granted is how long the token of a refresh was valid when it was put into use, zero if
	// there was none. Source.mu guards it.
	granted time.Duration
}

// epoch is the time between two explicit changes of the session, by SetToken or SignOut.
// What began in an epoch that is over has no effect. Source.mu guards it.
type epoch struct {
	over   error  // why it is over; nil while it is not
	former *epoch // the one before, while the token of the SetToken that ended it is not in use yet
	// received is a pair that an operation has got, and that is not in use yet.
	received *ags.Token
}

// newOperationLocked returns an operation that ends with ctx.
func (s *Source) newOperationLocked(ctx context.Context, action lifecycle.Action) *operation {
	w := s.workLocked()
	op := &operation{src: s, action: action, epoch: w.epoch, slot: w.slot, detachedCtx: context.WithoutCancel(ctx)}
	op.ctx, op.cancel = context.WithCancelCause(ctx)
	return op
}

// enter begins the operation of a public call: Close ends its context and waits for it.
// leave must be called at its end.
func (s *Source) enter(ctx context.Context, action lifecycle.Action) (op *operation, leave func(), err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, nil, ErrClosed
	}
	op, leave = s.enterLocked(ctx, action)
	return op, leave, nil
}

func (s *Source) enterLocked(ctx context.Context, action lifecycle.Action) (op *operation, leave func()) {
	ctx, leaveGroup := s.workLocked().group.Enter(ctx)
	op = s.newOperationLocked(ctx, action)
	return op, func() {
		s.dispatch(op.detachedCtx)
		op.cancel(nil)
		leaveGroup()
		s.rest()
	}
}

// startLocked puts an operation in flight. There must be none. ticket is that of the Gate,
// nil if that was not asked.
func (s *Source) startLocked(ctx context.Context, action lifecycle.Action, ticket *admission.Ticket) {
	op, w := s.newOperationLocked(context.WithoutCancel(ctx), action), s.workLocked()
	op.ticket = ticket
	w.op = op
	w.group.Go(op.run, s.rest)
}

// run carries out an operation. It finishes by defer, so that user code that panics or
// ends its goroutine leaves nobody waiting.
func (op *operation) run() {
	var outcome lifecycle.Outcome
	defer func() { op.finish(outcome) }()
	switch op.action {
	case lifecycle.Nothing:
	case lifecycle.Load:
		outcome = op.load()
	case lifecycle.Refresh:
		outcome = op.refresh()
	case lifecycle.Login:
		outcome = op.login()
	case lifecycle.Save:
		outcome = op.save()
	case lifecycle.SignOut:
		outcome = op.signOutPending()
	}
}

// finish makes the outcome of an operation take effect, unless its epoch is over, releases
// all who wait for the operation, and tells its events. A nil outcome means that there is
// nothing more to apply. The slot and the store's lock are free by then, so an outcome may
// be out of date: Sync may have adopted a newer pair.
func (op *operation) finish(outcome lifecycle.Outcome) {
	s := op.src
	op.cancel(nil)
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.cfg.clock.Now()
	if s.work.op == op {
		s.work.op = nil // an event that is told finds nothing in flight
	}
	if outcome != nil && s.work.epoch == op.epoch {
		former, asked := s.state.LastFailure(), s.state.IsAsked()
		queued := len(s.work.events)
		s.applyLocked(outcome, now)
		setDuration(s.work.events[queued:], op.took)
		if failed := s.state.LastFailure(); failed != nil && failed != former && (asked || !s.state.HasLiveToken(now)) {
			op.err = s.answerLocked()
		}
		if _, refreshed := outcome.(lifecycle.Refreshed); refreshed {
			op.granted = s.state.ValidityAt(now).Current
		}
	}
	op.finished = true
	switch {
	case op.ticket == nil:
	case op.called:
		s.cfg.gate().done(op.ticket, op.answer)
	default: // another process has refreshed, for example
		s.cfg.gate().unused(op.ticket)
	}
	if op.epoch.over == nil {
		op.epoch.received = nil
	}
	// A caller that waited may have been served before the end of the operation, when no
	// refresh could begin. No other caller may come before the token expires.
	if op.awaited && !s.closed && s.decideLocked(now).Serve {
		s.evaluateLocked(op.detachedCtx, need{caller: true}, now)
	}
	s.notifyWaitersLocked()
	s.dispatchLocked(op.detachedCtx)
	// A sign-out that this operation has found in the store needs no caller.
	if !s.closed && s.operationLocked() == nil && s.decideLocked(s.cfg.clock.Now()).Act == lifecycle.SignOut {
		s.startLocked(op.detachedCtx, lifecycle.SignOut, nil)
	}
}

// supersedeLocked begins another epoch, on behalf of a user who hands in another session,
// or ends this one. What the operation in flight comes to is not used.
func (s *Source) supersedeLocked(cause error) {
	w := s.workLocked()
	w.epoch.over = cause
	w.epoch = &epoch{}
	if op := s.operationLocked(); op != nil {
		op.cancel(cause)
		w.op = nil
		s.refreshSnapshotLocked(s.cfg.clock.Now()) // nobody joins those who wait for it
	}
}

// answered notes what an answer of the Refresher or Login tells about the gateway.
func (op *operation) answered(err error) {
	op.called = true
	if op.ticket != nil {
		op.answer = gateResult(op.action, err)
	}
}

// measure notes how long a call took that began at an instant.
func (op *operation) measure(began dualclock.Instant) {
	op.took += op.src.cfg.clock.Now().Mono - began.Mono
}

// view is the state of a session as an operation finds it.
type view struct {
	lifecycle.State

	around   lifecycle.Surroundings
	now      dualclock.Instant
	isOver   bool // SetToken or SignOut have ended the operation's epoch
	isClosed bool
}

func (op *operation) view() view {
	s := op.src
	now := s.cfg.clock.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	return op.viewLocked(now)
}

func (op *operation) viewLocked(now dualclock.Instant) view {
	s := op.src
	return view{s.state, s.surroundingsLocked(), now, s.work.epoch != op.epoch, s.closed}
}

// apply changes the state by something that the operation has found, unless the
// operation's epoch is over. It returns the state before.
func (op *operation) apply(o lifecycle.Outcome) (before view, applied bool) {
	s := op.src
	now := s.cfg.clock.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	before = op.viewLocked(now)
	if before.isOver {
		return before, false
	}
	s.applyLocked(o, now)
	return before, true
}

// isStillDue reports whether the action of the operation is still to be done, now that it
// has the slot and has seen what is stored. If a clock was set back and the token lives
// again, waiters are woken.
func (op *operation) isStillDue() bool {
	v := op.view()
	otherwise := v.around
	otherwise.Running = lifecycle.Nothing
	if op.action == lifecycle.Save {
		// A refresh may be due as well, which Poll was not asked for. The save does not wait
		// for one that may never come.
		otherwise.Keep = lifecycle.KeepNothing
	}
	if v.isClosed || lifecycle.Decide(&v.State, otherwise, v.now).Act != op.action {
		return false
	}
	_, applied := op.apply(lifecycle.TimePassed{Surroundings: v.around})
	return applied
}

// lockWait is how long the operation waits for the slot or the lock: not long if callers
// are served, or already have an error.
func (op *operation) lockWait() time.Duration {
	if v := op.view(); v.IsServing(v.now) {
		return lockRecheck
	}
	return op.src.cfg.settings().lockTimeout
}

// acquire takes the exclusive slot.
func (op *operation) acquire(limit time.Duration) (release func(), err error) {
	if err := op.slot.Acquire(op.ctx, &op.src.cfg.clock, limit); err != nil {
		return func() {}, err
	}
	return op.slot.Release, nil
}

// open takes the exclusive slot and the lock, and loads the record, if there is a store.
// release gives back whatever was acquired.
func (op *operation) open(slotLimit, lockLimit time.Duration) (rec *sharing.Record, release func(), err error) {
	leave, err := op.acquire(slotLimit)
	shared := op.src.shared
	if err != nil || shared == nil {
		return nil, leave, err
	}
	unlock, err := shared.Lock(op.ctx, lockLimit)
	if err == nil {
		rec, err = shared.LoadSettingAside(op.ctx)
	}
	return rec, func() {
		unlock(op.detachedCtx)
		leave()
	}, err
}

// pause waits for d, or until the operation is to end, and then returns the cause.
func (op *operation) pause(d time.Duration) error { return task.Pause(op.ctx, &op.src.cfg.clock, d) }

// receive notes a pair that the operation has got and reports whether it is wanted. After
// a SignOut it is not wanted, and is signed out at the gateway. A SignOut that comes
// before the pair is in use finds it.
func (op *operation) receive(pair *ags.Token) (wanted bool) {
	s := op.src
	s.mu.Lock()
	wanted = !errors.Is(op.epoch.over, errSignedOut)
	isMarked := s.state.Pending() != lifecycle.SaveOverwrite
	switch {
	case wanted:
		op.epoch.received = pair
	case !isMarked:
		// The mark of the sign-out is stored before the gateway is told.
		op.queueSignOut(pair)
		s.notifyWaitersLocked()
	}
	s.mu.Unlock()
	if !wanted && isMarked {
		_ = op.signOutPairs(op.detachedCtx, []*ags.Token{pair})
	}
	return wanted
}
