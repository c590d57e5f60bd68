package demo

import (
	"context"
	"sync"
)

// Show is a demo that can be looked at while it is played, and meddled with. All
// its methods are safe for concurrent use; only Run waits for anything, and what
// is done before or after it does nothing.
type Show struct {
	plan Plan
	tell func(Moment)

	mu    sync.Mutex // guards all below; never held while tell runs
	stage *stage     // nil when nothing is played
	// meddle runs a fault by hand, which may wait for its effect; nil when nothing
	// is played.
	meddle func(fault func(context.Context))
	last   Glance // when nothing is played any more
}

// New returns a show of the plan, to be played once. For tell see [Run].
func New(plan Plan, tell func(Moment)) *Show { return &Show{plan: plan, tell: tell} }

// Run plays the show as [Run] does.
func (s *Show) Run(ctx context.Context) (Report, error) {
	stage, err := build(ctx, s.plan, s.tell)
	if err != nil {
		stage.clear(true)
		return stage.report(nil, nil, ctx.Err() != nil), err
	}
	shut := s.open(ctx, stage)
	stage.chronicle.say(Moment{Kind: WorkBegun, N: s.plan.Workers})
	stage.crew.start(ctx, s.plan.Workers)
	missing, waived := stage.play(ctx)
	shut()
	interrupted := ctx.Err() != nil
	stage.clear(interrupted)
	s.keep(stage.glance())
	if interrupted {
		missing, waived = nil, nil
	}
	return stage.report(missing, waived, interrupted), nil
}

// open lets the stage be looked at and meddled with, until the function returned
// is called, which returns when nothing of the kind is going on any more.
func (s *Show) open(ctx context.Context, st *stage) (shut func()) {
	var hands sync.WaitGroup
	ctx, cancel := context.WithCancel(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stage = st
	s.meddle = func(fault func(context.Context)) { hands.Go(func() { fault(ctx) }) }
	return func() {
		s.mu.Lock()
		s.meddle = nil
		s.mu.Unlock()
		cancel()
		hands.Wait()
	}
}

// keep ends the looking at the stage: from now on there is a last glance.
func (s *Show) keep(last Glance) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stage, s.last = nil, last
}

// Outage has the gateway refuse every call for [Plan].OutFor from now on.
func (s *Show) Outage() { s.byHand(func(_ context.Context, st *stage) { st.outage() }) }

// Reject has the API reject the access token in hand, unless the library would
// take no notice: it does not follow an API that rejects token after token.
func (s *Show) Reject() { s.byHand(func(ctx context.Context, st *stage) { st.rejection(ctx) }) }

// Sleep has the wall clock jump by [Plan].SleepFor, as that of a machine does
// which slept.
func (s *Show) Sleep() { s.byHand(func(_ context.Context, st *stage) { st.lidClosed() }) }

func (s *Show) byHand(fault func(context.Context, *stage)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if st := s.stage; s.meddle != nil {
		s.meddle(func(ctx context.Context) { fault(ctx, st) })
	}
}

// Glance returns how it stands: the zero value before the first session, and
// after Run how it stood at the end.
func (s *Show) Glance() Glance {
	s.mu.Lock()
	st, last := s.stage, s.last
	s.mu.Unlock()
	if st == nil {
		return last
	}
	return st.glance()
}
