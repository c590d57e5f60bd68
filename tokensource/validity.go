package tokensource

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"golang.org/x/oauth2"

	"github.com/agsauth/agsauth/tokensource/internal/dualclock"
	"github.com/agsauth/agsauth/tokensource/internal/lifecycle"
)

// TokenValidFor is [Source.TokenContext] for callers that use the token for a while, and
// cannot replace it meanwhile: it returns a token that TokenContext would serve for at least
// d from now. If d is not positive it is TokenContext.
//
// If the current token is not valid for that long, TokenValidFor waits for one refresh, which
// it shares with all other callers, and with all processes that share the store. The current
// token is not invalidated by that: callers of TokenContext are served it meanwhile. The end
// of ctx ends the wait of this caller alone.
//
// The error is [*ValidityError], at once and without a refresh, if a new token would not be
// valid for d either. It is [*UnavailableError] if the refresh has failed, until the next
// attempt is due. It is [*LoginRequiredError] if the session has ended, even if its last
// token is still live; if there is a Login, TokenValidFor waits for that first. For
// [ErrClosed] and the cause of ctx's end see TokenContext.
//
// While the session lasts that long, a d of up to four fifths of a token's life can be asked
// for, if that life is 3 seconds or more. Each refresh gives all callers a new token, so a
// larger d means more refreshes.
func (s *Source) TokenValidFor(ctx context.Context, d time.Duration) (*oauth2.Token, error) {
	if d <= 0 {
		return s.TokenContext(ctx)
	}
	if t := s.peek(d); t != nil {
		return t, nil
	}
	return s.wait(ctx, d)
}

// ValidityError says that [Source.TokenValidFor] was asked for a longer validity than any
// token has that a refresh could bring. The session goes on. The caller can ask for Longest
// or less, or take the token of [Source.TokenContext] and replace it when that expires. If
// the session is about to end, a new sign-on gives tokens that are valid for longer.
type ValidityError struct {
	// Asked is the validity that was asked for.
	Asked time.Duration
	// Longest is the longest validity that can be asked for. If the answer to the refresh was
	// so slow that its token has lost what was asked for, it is what that token has left.
	Longest time.Duration
	// ExpiresAt is when the current token expires.
	ExpiresAt time.Time
	// SessionEndsAt is when the session ends, if that is what limits the validity. It is
	// zero if the life of a token does.
	SessionEndsAt time.Time
}

// Error returns what limits the validity, and what to do.
func (e *ValidityError) Error() string {
	text := fmt.Sprintf("tokensource: no token is valid for %s: ", e.Asked)
	if !e.SessionEndsAt.IsZero() {
		return text + fmt.Sprintf("the session ends at %s; ask for less, or sign on again", e.SessionEndsAt.UTC().Format(time.RFC3339))
	}
	return text + fmt.Sprintf("ask for %s or less, for which a new token can be had", e.Longest.Truncate(100*time.Millisecond))
}

// peek returns the token that callers find without the lock, if it is valid for span.
func (s *Source) peek(span time.Duration) *oauth2.Token {
	if found := s.snapshot.Load(); found != nil && found.bearer != nil && !s.cfg.clock.Reached(found.validUntil.Add(-span)) {
		return found.bearer
	}
	return nil
}

// evaluateForLocked is evaluateLocked for a caller that asks for a token that is valid for
// span.
func (s *Source) evaluateForLocked(ctx context.Context, span time.Duration, waited *operation, now dualclock.Instant) result {
	isShort := waited != nil && waited.granted > 0 && waited.granted < span
	if !s.closed && !isShort && !s.state.IsAsked() && s.state.RefreshesFor(span, now) {
		s.applyLocked(lifecycle.Asked{Span: span}, now)
	}
	r := s.evaluateLocked(ctx, need{caller: true, waited: waited}, now)
	if r.bearer == nil {
		return r
	}
	around := s.surroundingsLocked()
	prospect := s.state.ProspectOf(span, cmp.Or(around.Running, around.Queued), now)
	if prospect == lifecycle.Sufficient {
		return r
	}
	r.bearer = nil
	switch {
	case isShort:
		// What a refresh has just brought is not valid for span, so the next one would not
		// be, either.
		r.op, r.err = nil, s.validityErrorLocked(span, now)
	case waited != nil && waited.finished && waited.err != nil:
		r.op, r.err = nil, waited.err
	case prospect == lifecycle.Coming && r.op == nil:
		r.changed, r.err = s.awaitGateLocked()
	case prospect == lifecycle.Coming:
		r.changed = s.work.whenChanged()
	case prospect == lifecycle.Failing:
		r.op, r.err = nil, s.answerLocked()
	default:
		r.op, r.err = nil, s.validityErrorLocked(span, now)
	}
	return r
}

func (s *Source) validityErrorLocked(span time.Duration, now dualclock.Instant) *ValidityError {
	p, v := s.state.Pair(), s.state.ValidityAt(now)
	e := &ValidityError{Asked: span, Longest: v.Longest, ExpiresAt: p.Expiry()}
	if v.Longest >= span {
		e.Longest = v.Current
	}
	if v.IsLastToken {
		e.SessionEndsAt = p.EndsAt()
	}
	return e
}
