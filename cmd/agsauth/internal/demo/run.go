package demo

import (
	"context"
	"errors"
	"fmt"
)

// errOver is why the story ends where it is not told to its end.
var errOver = errors.New("it did not happen in time")

// Run plays the plan and returns the sums of it. Tell is called with what happens,
// as it happens, in order, by one goroutine at a time; the workers go on
// meanwhile, but what happens next may wait for it. Run waits for the plan to be
// played, until ctx ends: it then winds up at once, and the report says so. All
// that it has started has ended when it returns.
//
// The error says that the demo could not begin; the report, whether that is
// because ctx has ended.
func Run(ctx context.Context, plan Plan, tell func(Moment)) (Report, error) {
	s, err := build(ctx, plan, tell)
	if err != nil {
		s.clear(true)
		return s.report(nil, ctx.Err() != nil), err
	}
	s.chronicle.say(Moment{Kind: WorkBegun, N: plan.Workers})
	s.crew.start(ctx, plan.Workers)
	missing := s.play(ctx)
	interrupted := ctx.Err() != nil
	s.clear(interrupted)
	if interrupted {
		missing = nil
	}
	return s.report(missing, interrupted), nil
}

// play plays all acts, and returns what is to be said of those that did not take
// place.
func (s *stage) play(ctx context.Context) (missing []string) {
	ctx, cancel := context.WithTimeoutCause(ctx, s.plan.Limit, errOver)
	defer cancel()
	for _, a := range s.acts() {
		err := s.wait(ctx, a.after)
		if ctx.Err() != nil {
			err = context.Cause(ctx) // nothing is begun any more
		}
		if err == nil {
			err = a.play(ctx)
		}
		if err != nil {
			missing = append(missing, fmt.Sprintf("%s: %v", a.name, err))
		}
	}
	return missing
}
