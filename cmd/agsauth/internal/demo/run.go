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
	return New(plan, tell).Run(ctx)
}

// play plays all acts, and returns what is to be said of those that did not take
// place: those after a fault by hand are waived.
func (s *stage) play(ctx context.Context) (missing, waived []string) {
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
		switch {
		case err == nil:
		case s.hand.done().Any():
			waived = append(waived, fmt.Sprintf("%s: %v", a.name, err))
		default:
			missing = append(missing, fmt.Sprintf("%s: %v", a.name, err))
		}
	}
	return missing, waived
}
