package tokensource

import (
	"context"
	"errors"
	"math"
	"sync"
	"time"

	"github.com/agsauth/agsauth/ags"
	"github.com/agsauth/agsauth/clock"
	"github.com/agsauth/agsauth/tokensource/internal/admission"
	"github.com/agsauth/agsauth/tokensource/internal/dualclock"
	"github.com/agsauth/agsauth/tokensource/internal/lifecycle"
)

// Gate limits how many refreshes and logins the Sources of a program start in a second,
// and how many are under way, so that very many sessions do not overload the gateway, nor
// keep it from recovering. Make one with [NewGate] and set it as [Config.Gate] of all
// Sources that use the gateway. All methods are safe for concurrent use. A nil Gate, and
// the zero Gate, limit nothing.
//
// A refresh, a login, or the first read of the store waits at the Gate before it does
// anything else: while it waits it holds no lock, no mark in the store and no goroutine,
// and none of its timeouts has begun. Callers for whom there is a live token never wait.
// The next operation to start is one that a caller waits for; every second start is left to
// others. These are the sessions whose access token lives, by its expiry, and then those
// whose access token has expired, which get one start in 16 at least. Capacity that is left
// goes to refreshes that [Source.Poll] has asked for ahead of time.
//
// The limits hold for the calls that a Source makes of its Refresher and LoginFunc. A call
// follows its start by the time that it takes to lock and read the store; where that time
// differs from one to the next, a second may have some calls more than starts. A
// refresh whose answer was lost is repeated once at once; the repetition counts, so that
// the next start is later. A login that takes longer than 30 seconds is not counted as a
// call under way any more, because it waits for a human. First reads of the store
// have the limit of concurrent calls for themselves, and no rate. Sign-outs, and calls of
// OnGrant, are not limited.
//
// When five calls in a row have failed with an error that is transient, or up to ten where
// as many were answered just before, the gateway counts as away, for all sessions. Then one
// refresh at a time is tried, each a second or more after the one before has failed, until
// one is answered. After that the rate grows from a small part to the whole within seconds.
// While more than a quarter of the calls fail the rate is halved.
//
// If the gateway asks to be left alone, by Retry-After, no call starts before that time, at
// most 5 minutes. If it did so while it answered other calls, fewer calls start afterwards,
// until a multiple of that time has passed. While the gateway is away, or is left alone, a
// caller without a live token gets [*UnavailableError] at once, and its session keeps its
// place.
//
// The Gate has one goroutine while an operation waits.
type Gate struct {
	err    error // what is wrong with the GateConfig
	random func() float64

	mu      sync.Mutex // guards the rest; never held during a call of a Source
	clock   dualclock.Reader
	active  bool // whether there is, or was, a limit
	queue   admission.Queue
	pumping bool          // a goroutine starts what may start
	wake    chan struct{} // makes it look again
	heldUp  []*admission.Ticket
}

// GateConfig configures a Gate. The zero value limits nothing.
type GateConfig struct {
	// PerSecond is how many calls of the gateway start in any second, at most. It may be
	// a fraction: with 0.5 a call starts every two seconds. Zero means no limit.
	PerSecond float64
	// Concurrent is how many calls of the gateway are under way, at most. At most half of
	// them, or one, are logins. Zero means no limit.
	Concurrent int
	// Clock is where time comes from. Nil means the system's clock. It should be that of
	// the Sources.
	Clock clock.Clock
	// Rand returns a number from [0,1). It must be safe for concurrent use. Nil means
	// math/rand/v2. It spreads the attempts to reach a gateway that is away.
	Rand func() float64
}

// NewGate returns a Gate. What is wrong with c is the error of [New] and [NewFamily] for a
// Config with the Gate.
func NewGate(c GateConfig) *Gate {
	g := &Gate{random: randomOr(c.Rand), clock: dualclock.NewReader(c.Clock), wake: make(chan struct{}, 1)}
	switch {
	case !isRate(c.PerSecond):
		g.err = errors.New("GateConfig.PerSecond is negative or not a number")
	case c.Concurrent < 0:
		g.err = errors.New("GateConfig.Concurrent is negative")
	default:
		g.SetLimits(c.PerSecond, c.Concurrent)
	}
	return g
}

func isRate(perSecond float64) bool { return perSecond >= 0 && !math.IsInf(perSecond, 1) }

// SetLimits replaces the limits, for those that wait, too. For the values see [GateConfig];
// negative ones, infinity and NaN change nothing.
func (g *Gate) SetLimits(perSecond float64, concurrent int) {
	if !isRate(perSecond) || concurrent < 0 {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.wake == nil { // the zero Gate
		g.clock, g.random, g.wake = dualclock.NewReader(nil), randomOr(nil), make(chan struct{}, 1)
	}
	limits := admission.Limits{PerSecond: perSecond, Concurrent: concurrent}
	g.active = g.active || limits != admission.Limits{}
	g.queue.SetLimits(limits, g.clock.Now().Mono)
	g.pumpLocked()
}

// GateStatus is a Gate at one moment.
type GateStatus struct {
	// Queued is how many operations wait; Asked is how many of these a caller waits for.
	Queued, Asked int
	// InFlight is how many calls of the gateway are under way, and Reads how many first
	// reads of the store.
	InFlight, Reads int
	// PerSecond is how many calls may start in a second now. While the gateway recovers it
	// is less than the limit. Zero means no limit.
	PerSecond float64
	// Away says that the last calls have failed, so that only one at a time is tried.
	Away bool
	// NextAt is when a call is tried next, if the gateway is away or has asked to be left
	// alone; else it is zero.
	NextAt time.Time
	// Err is why. It is nil if NextAt is zero.
	Err error
}

// Status tells how the Gate stands.
func (g *Gate) Status() GateStatus {
	if g == nil {
		return GateStatus{}
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.active {
		return GateStatus{}
	}
	now := g.clock.Now()
	n := g.queue.Counts()
	st := GateStatus{
		Queued: n.Waiting(), Asked: n.Asked, InFlight: n.Calls, Reads: n.Reads,
		PerSecond: g.queue.Rate(now.Mono), Away: g.queue.IsAway(),
	}
	if until, closed := g.queue.Closed(now.Mono); closed {
		st.NextAt, st.Err = now.Wall.Add(until-now.Mono), g.queue.LastError()
	}
	return st
}

// enter asks for the start of an operation. If it may not start now it waits, and its
// granted method is called later.
func (g *Gate) enter(w *queuedOperation) (started bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := g.clock.Now().Mono
	w.ticket.Owner = w
	w.ticket.Expiry = now + w.left
	if g.queue.Admit(&w.ticket, now) {
		return true
	}
	g.pumpLocked()
	return false
}

// leave takes back an operation that waits. One that was started meanwhile finds that out.
func (g *Gate) leave(w *queuedOperation) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.queue.Remove(&w.ticket)
	g.pumpLocked()
}

// raise makes an operation that waits more urgent.
func (g *Gate) raise(w *queuedOperation, u admission.Urgency) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.queue.Raise(&w.ticket, u, g.clock.Now().Mono)
	g.pumpLocked()
}

// done notes what a started operation came to.
func (g *Gate) done(t *admission.Ticket, r admission.Result) {
	r.Draw = g.random()
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.queue.Done(t, r, g.clock.Now().Mono) {
		g.heldUp = append(g.heldUp, g.queue.AskedFor()...)
	}
	g.pumpLocked()
}

// unused takes back the start of an operation that has made no call.
func (g *Gate) unused(t *admission.Ticket) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.queue.Unused(t, g.clock.Now().Mono)
	g.pumpLocked()
}

// charge counts a call that repeats another one.
func (g *Gate) charge() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.queue.Charge(g.clock.Now().Mono)
}

// closed returns the error for a caller who is held up because the gateway is away, nil if
// it is not.
func (g *Gate) closed() *UnavailableError {
	st := g.Status()
	if st.NextAt.IsZero() {
		return nil
	}
	return &UnavailableError{NextAt: st.NextAt, Err: st.Err}
}

// limits reports whether operations must ask the Gate.
func (g *Gate) limits() bool {
	if g == nil {
		return false
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.active
}

// pumpLocked makes the goroutine that starts operations look again.
func (g *Gate) pumpLocked() {
	if g.pumping {
		select {
		case g.wake <- struct{}{}:
		default:
		}
		return
	}
	if g.queue.IsEmpty() && len(g.heldUp) == 0 {
		return
	}
	g.pumping = true
	go g.pump()
}

// pump starts operations when they may start, until none waits.
func (g *Gate) pump() {
	for {
		t, heldUp, wait := g.next()
		for _, t := range heldUp {
			ownerOf(t).gateClosed()
		}
		switch {
		case t != nil:
			ownerOf(t).granted()
		case wait == 0:
			return
		default:
			g.await(wait)
		}
	}
}

func ownerOf(t *admission.Ticket) *queuedOperation {
	owner, _ := t.Owner.(*queuedOperation)
	return owner
}

// next returns an operation that was started just now, those who must know that the gateway
// is away, and how long to wait; zero if nothing waits any more.
func (g *Gate) next() (t *admission.Ticket, heldUp []*admission.Ticket, wait time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	heldUp, g.heldUp = g.heldUp, nil
	t, wait = g.queue.Next(g.clock.Now().Mono)
	if t == nil && g.queue.IsEmpty() {
		g.pumping = false
		wait = 0
	}
	return t, heldUp, wait
}

// await waits, at most for as long as [Source.Run] does: the timers of a machine that slept
// are late.
func (g *Gate) await(wait time.Duration) {
	timer := g.clock.NewTimer(min(wait, maxIdle))
	defer timer.Stop()
	select {
	case <-timer.C():
	case <-g.wake:
	}
}

// queuedOperation is an operation that waits at the Gate, or was started by it.
type queuedOperation struct {
	src    *Source
	action lifecycle.Action
	ticket admission.Ticket
	left   time.Duration   // how long the access token lives
	ctx    context.Context //nolint:containedctx // the values of the call that needed the operation first
}

// granted starts the operation, if it is still what the session needs.
func (w *queuedOperation) granted() {
	s := w.src
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.work == nil || s.work.queued != w { // it left meanwhile
		s.cfg.gate().unused(&w.ticket)
		return
	}
	s.work.queued = nil
	now := s.cfg.clock.Now()
	if s.closed || s.operationLocked() != nil || s.decideLocked(now).Act != w.action {
		s.cfg.gate().unused(&w.ticket)
	} else {
		s.startLocked(w.ctx, w.action, &w.ticket)
	}
	s.notifyWaitersLocked()
	s.restLocked()
}

// gateClosed tells the callers who wait for the operation that the gateway is away.
func (w *queuedOperation) gateClosed() {
	w.src.mu.Lock()
	defer w.src.mu.Unlock()
	if w.src.queuedLocked() == w {
		w.src.notifyWaitersLocked()
	}
}

// beginLocked starts an operation, or has it wait at the Gate.
func (s *Source) beginLocked(ctx context.Context, action lifecycle.Action, u admission.Urgency, now dualclock.Instant) {
	gate := s.cfg.gate()
	kind, gated := s.kindOf(action)
	if !gated || !gate.limits() {
		s.startLocked(ctx, action, nil)
		return
	}
	s.leaveGateLocked() // the session needs something else than before
	w := &queuedOperation{src: s, action: action, ctx: context.WithoutCancel(ctx), left: s.state.LiveFor(now)}
	w.ticket.Kind, w.ticket.Urgency = kind, u
	if gate.enter(w) {
		s.startLocked(ctx, action, &w.ticket)
		return
	}
	s.workLocked().queued = w
}

// kindOf returns what an action is for the Gate, and whether it must ask there.
func (s *Source) kindOf(action lifecycle.Action) (kind admission.Kind, gated bool) {
	switch action {
	case lifecycle.Refresh:
		return admission.Refresh, true
	case lifecycle.Login:
		return admission.Login, true
	case lifecycle.Load:
		return admission.Load, s.state.IsUnread()
	case lifecycle.Nothing, lifecycle.Save, lifecycle.SignOut:
	}
	return 0, false
}

// queuedLocked returns the operation that waits at the Gate, nil if there is none.
func (s *Source) queuedLocked() *queuedOperation {
	if s.work == nil {
		return nil
	}
	return s.work.queued
}

func (s *Source) leaveGateLocked() {
	if w := s.queuedLocked(); w != nil {
		s.cfg.gate().leave(w)
		s.work.queued = nil
	}
}

// leaveGateIfPointlessLocked takes back the operation that waits, if the session does not
// need it any more.
func (s *Source) leaveGateIfPointlessLocked(now dualclock.Instant) {
	w, around := s.queuedLocked(), s.surroundingsLocked()
	if w == nil || around.Running != lifecycle.Nothing {
		return
	}
	around.Queued = lifecycle.Nothing
	if lifecycle.Decide(&s.state, around, now).Act != w.action {
		s.leaveGateLocked()
	}
}

// gateResult returns what an answer of the Refresher or the LoginFunc tells about the
// gateway.
func gateResult(action lifecycle.Action, err error) admission.Result {
	r := admission.Result{Answer: admission.Answered, RetryAfter: retryAfter(err), Err: err}
	known := errors.Is(err, ags.ErrUnavailable) || errors.Is(err, ags.ErrProtocol)
	var fromGateway *ags.Error
	switch {
	case err == nil:
	case action == lifecycle.Refresh && classifyRefresh(err) == lifecycle.Transient, known:
		r.Answer = admission.Unavailable
	case !errors.As(err, &fromGateway):
		r.Answer = admission.NotCalled // a LoginFunc may do anything
	}
	return r
}
