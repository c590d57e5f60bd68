package tokensource

import (
	"context"

	"github.com/agsauth/agsauth/ags"
	"github.com/agsauth/agsauth/tokensource/internal/dualclock"
)

// flight is one refresh, login, or use of the store, on a goroutine of its own,
// for all who wait for it. There is one at a time.
type flight struct {
	act   action
	epoch uint64 // whose session it is for; see Source.epoch
	// ctx has the values of the context of the call that started the flight, but
	// not its end: a caller who leaves does not take the others' refresh along.
	// It ends when the flight is to be given up: by Close, SetToken or SignOut.
	ctx    context.Context //nolint:containedctx // a flight is one call, and lives no longer
	cancel context.CancelCauseFunc
	// whole is ctx without that end: for what must not be broken off once it is
	// begun, as the gateway's answer may be the only pair that is good.
	whole context.Context //nolint:containedctx // as above

	err    error // what those who waited are told; nil: look again. Not changed once landed
	landed bool  // guarded by Source.mu
	// overtook is the flight for the former session that a SetToken has given up, while
	// what it hands in is not in use yet. Guarded by Source.mu.
	overtook *flight
	// signedOut says that SignOut has ended the session that it is for, and brought is
	// the pair that it has come back with, and that is not in use yet. Whichever of the
	// two is there first leaves it to the other to sign that pair out. Guarded by
	// Source.mu.
	signedOut bool
	brought   *ags.Token
}

// launchLocked starts a flight. Invariant: work.flight is nil before, and not nil
// until the flight has landed or was abandoned.
func (s *Source) launchLocked(ctx context.Context, act action) {
	f := s.takeOffLocked(ctx, act)
	s.startLocked(func() { s.fly(f) })
}

// takeOffLocked puts a flight into the air, which is to be landed.
func (s *Source) takeOffLocked(ctx context.Context, act action) *flight {
	f := &flight{act: act, epoch: s.epoch, whole: context.WithoutCancel(ctx)}
	f.ctx, f.cancel = context.WithCancelCause(f.whole)
	s.workLocked().flight = f
	return f
}

// fly carries out what was decided, on the flight's own goroutine. It lands by
// defer: user code that panics, or ends its goroutine, hangs nobody.
func (s *Source) fly(f *flight) {
	defer s.land(f)
	switch f.act {
	case doNothing:
	case doRead:
		s.flyRead(f)
	case doRefresh:
		s.flyRefresh(f)
	case doLogin:
		s.flyLogin(f)
	case doSave:
		s.flySave(f)
	case doSignOut:
		s.flySignOut(f)
	}
}

// land takes the flight out of the air, releases all who wait for it, and tells
// what has come of it. No lock of the store is held any more.
func (s *Source) land(f *flight) {
	f.cancel(nil)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.landLocked(f)
	s.deliverLocked(f.whole)
	s.signOutNextLocked(f.whole)
}

// signOutNextLocked goes on with a sign-out that what has just landed has found in the
// store: nobody need ask for that.
func (s *Source) signOutNextLocked(ctx context.Context) {
	if s.closed || s.flightLocked() != nil {
		return
	}
	v := s.viewLocked()
	if decide(&v, s.watch.Now()).act == doSignOut {
		s.launchLocked(ctx, doSignOut)
	}
}

func (s *Source) landLocked(f *flight) {
	if f.landed {
		return
	}
	f.landed = true
	if s.work.flight == f {
		s.work.flight = nil
	}
	s.wakeLocked()
}

// publish makes an outcome take effect, unless it was overtaken. nil is none.
func (s *Source) publish(f *flight, outcome func(now dualclock.Instant)) {
	if outcome == nil {
		return
	}
	now := s.watch.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.epoch != f.epoch {
		return
	}
	s.work.flight = nil // what is announced finds nothing in the air
	outcome(now)
	s.landLocked(f)
	s.deliverLocked(f.whole)
}

// abandonLocked gives up on the flight in the air, if there is one, on behalf of
// a human who hands in another session, or ends this one: what the flight brings
// home will neither be used nor saved.
func (s *Source) abandonLocked(cause error) {
	s.epoch++
	if f := s.flightLocked(); f != nil {
		f.cancel(cause)
		s.work.flight = nil
		s.refreshQuietLocked(s.watch.Now()) // nobody joins those who wait for it
	}
}

// overtaken reports whether what was begun under epoch was overtaken by SetToken or
// SignOut. What was overtaken by Close alone was not: it is still saved.
func (s *Source) overtaken(epoch uint64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.epoch != epoch
}
