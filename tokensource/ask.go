package tokensource

import (
	"context"
	"errors"

	"github.com/agsauth/agsauth/ags"
)

// ask makes one attempt, within RefreshTimeout. When the answer was lost on the way,
// or has not come after two thirds of that time, it asks again at once, within the
// time that is left: the gateway may not have got the first request, or may still
// give the same answer. A Refresher that does not heed the end of its context is not
// called a second time before it has returned.
func (s *Source) ask(ctx context.Context, epoch uint64, current *session) (*ags.Token, error) {
	ctx, pair := ags.WithoutRetry(ctx), current.pair()
	first, expire := context.WithCancelCause(ctx)
	defer expire(context.DeadlineExceeded)
	refresh := func(ctx context.Context) (*ags.Token, error) {
		answer, err := s.cfg.Refresher.Refresh(first, pair)
		if lostAnswer(err) || first.Err() != nil && lateAnswer(err) {
			s.during(epoch, func() { s.outcomeUnknown = true })
			if ctx.Err() == nil {
				answer, err = s.cfg.Refresher.Refresh(sameFlow(ctx, err), pair)
			}
		}
		if err == nil && (answer == nil || answer.AccessToken.IsZero()) {
			err = errNoToken
		}
		return answer, err
	}
	whole := s.cfg.settings().refreshTimeout
	limit := timeLimit{whole: whole, first: whole - whole/3, expire: func() { expire(context.DeadlineExceeded) }}
	return boundedBy(ctx, s, limit, "Refresher.Refresh", refresh, nil)
}

// sameFlow gives the repetition of a call the correlation identifier of the first:
// one flow of calls has one identifier in the platform's logs.
func sameFlow(ctx context.Context, first error) context.Context {
	var e *ags.Error
	if !errors.As(first, &e) || e.CorrelationID == "" {
		return ctx
	}
	return ags.WithCorrelationID(ctx, e.CorrelationID)
}
