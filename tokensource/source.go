package tokensource

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/oauth2"

	"github.com/agsauth/agsauth/tokensource/internal/dualclock"
)

// Source keeps one session alive. Make one with [New]. All its methods are safe for
// concurrent use. It has no goroutine and no timer but while something is under way.
//
// A program may have very many of them, most at rest. What one at rest does not need
// is behind a pointer, nil until it is needed.
type Source struct {
	// quiet is what a caller is told without a look at anything else. Only
	// refreshQuietLocked, and Close, write it.
	quiet atomic.Pointer[quiet]

	// Not changed after New.
	cfg   setup
	watch dualclock.Reader

	mu sync.Mutex // guards all below; never held across I/O, a wait or the user's code

	session  *session      // nil when there is no pair
	device   device        // whose session it is
	ended    *ending       // nil when the session can be refreshed, as far as we know
	failure  *failure      // of the last refresh or first look at the store; nil when none
	history  *history      // what further calls are spaced by; nil when nothing
	ledger   *ledger       // what is known of the store; nil exactly when there is none
	work     *work         // what is under way; nil when nothing is
	required chan struct{} // what LoginRequired returns, made when first asked for; closed by endLocked

	epoch          uint64 // raised by SetToken and SignOut: what was begun before is overtaken
	closed         bool
	invalidated    invalidation // by an API, of the access token
	warned         bool         // the end was announced ahead of time
	outcomeUnknown bool         // a refresh of this pair may have been granted without our knowing
}

// quiet is a token and until when it can be served without anything else to do; or,
// where there is none to serve, what to wait for.
type quiet struct {
	bearer *oauth2.Token
	until  dualclock.Deadline
	crowd  *crowd // nil when there is a bearer
}

// crowd is what all wait for who come while a flight is in the air that alone can
// bring them a token. They join it without the lock, of which the flight has need.
type crowd struct {
	flight  *flight
	changed <-chan struct{}
	dead    dualclock.Deadline // of the token: a clock that is set back may bring it to life
}

// device is the identity that a session's sign-on was made with.
type device struct {
	clientID  string // empty when none is known to exist
	accountID string
}

// ending is why, and when, a session was found to have ended.
type ending struct {
	reason Reason
	at     time.Time
	err    error // the gateway's rejection, where there was one
}

// history is what keeps calls of the gateway apart beside the memory of a failure.
type history struct {
	rejections *rejections // by APIs; nil when none
	logins     *logins     // nil when none
}

// historyLocked returns the history, beginning with none.
func (s *Source) historyLocked() *history {
	if s.history == nil {
		s.history = &history{}
	}
	return s.history
}

// loginsLocked returns what is remembered of the calls of Login, nil when nothing.
func (s *Source) loginsLocked() *logins {
	if s.history == nil {
		return nil
	}
	return s.history.logins
}

// setLoginsLocked remembers calls of Login.
func (s *Source) setLoginsLocked(l *logins) {
	if l != nil || s.history != nil {
		s.historyLocked().logins = l
	}
}

// New returns a Source. It calls nobody and starts nothing: the first call for a
// token does. The error says what is wrong with cfg.
func New(cfg Config) (*Source, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	s := &Source{cfg: cfg.setup(), watch: dualclock.NewReader(cfg.Clock)}
	if cfg.Store != nil {
		s.ledger = &ledger{unread: true}
	}
	if t := cfg.Token; t != nil {
		s.session = s.newSession(arrival{token: t, from: handedIn, at: s.watch.Now(), draw: s.draw()})
		s.device = device{t.ClientID, t.AccountID}
	}
	return s, nil
}

func (s *Source) newSession(a arrival) *session {
	set := s.cfg.settings()
	return newSession(a, &set)
}

// TokenContext returns a token that is live by both clocks. It is shared and must
// not be changed; it has no refresh token.
//
// While the session has a live token TokenContext returns it at once, without
// regard to ctx. Otherwise it waits for the one refresh, or login, that serves
// all who wait, until ctx ends, which ends the wait of this caller alone; the
// error is then the cause of ctx's end. It is [*UnavailableError] when no token
// can be had for now, [*LoginRequiredError] when the session has ended, and
// [ErrClosed] after Close. A ctx with a deadline says that the caller has time: while
// nothing but the store's lock is missing, it is waited for instead of
// [*UnavailableError] being returned.
func (s *Source) TokenContext(ctx context.Context) (*oauth2.Token, error) {
	if q := s.quiet.Load(); q != nil && !s.watch.Reached(q.until) {
		return q.bearer, nil
	}
	return s.wait(ctx)
}

// wait looks, and waits for what is in the air, until there is a token or the
// certainty that there is none.
func (s *Source) wait(ctx context.Context) (*oauth2.Token, error) {
	o := s.join(ctx)
	for {
		switch {
		case o.bearer != nil:
			return o.bearer, nil
		case o.flight == nil && isWaitedFor(ctx, o.err):
			if err := s.awaitAttempt(ctx); err != nil {
				return nil, fmt.Errorf("%w: %w", err, o.err)
			}
			o = s.look(ctx, nil)
			continue
		case o.flight == nil:
			return nil, s.awaitDelivery(ctx, o)
		case s.inLogin(ctx):
			return nil, errInLogin
		}
		select {
		case <-o.changed:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
		// Most who waited find what they waited for, and need no look.
		if q := s.quiet.Load(); q != nil && !s.watch.Reached(q.until) {
			return q.bearer, nil
		}
		o = s.look(ctx, o.flight)
	}
}

// isWaitedFor reports whether a caller who is told err waits for the next attempt all
// the same: one whose context has a deadline, where the lock was all that was missing.
func isWaitedFor(ctx context.Context, err error) bool {
	var unavailable *UnavailableError
	_, limited := ctx.Deadline()
	return limited && errors.As(err, &unavailable) && failedTo("lock", unavailable.Err) && !leftAlone(err)
}

// awaitAttempt waits until the next attempt is due, or returns the cause of ctx's end.
func (s *Source) awaitAttempt(ctx context.Context) error {
	now := s.watch.Now()
	s.mu.Lock()
	wait := s.failure.retryAt().Left(now)
	s.mu.Unlock()
	return s.pause(ctx, wait)
}

// join finds out what to wait for.
func (s *Source) join(ctx context.Context) outlook {
	if q := s.quiet.Load(); q != nil && q.crowd != nil && s.watch.Reached(q.crowd.dead) {
		return outlook{flight: q.crowd.flight, changed: q.crowd.changed}
	}
	return s.look(ctx, nil)
}

// Invalidate tells that an API has rejected the access token. If that is the
// current one, callers from now on wait for a refresh, rather than being served
// it. Should that fail, and the session go on, the token is served again, and the
// refresh is tried again behind the callers, by the next of them or by Run, as soon as
// the back-off allows. An API that
// rejects one token after the other is not followed: after one invalidation,
// others within 10 seconds (or half a token's life) have no effect, and that
// span doubles, up to 5 minutes, while each new token is rejected early in its
// life. Nor has it an effect without a refresh token, and while a failed refresh is
// remembered. After the gateway has rejected the refresh token it ends the serving of
// the access token, as nothing else speaks for that. Invalidate does not wait and calls
// nobody.
func (s *Source) Invalidate(accessToken string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.watch.Now()
	switch {
	case s.closed, s.session == nil, s.invalidated == invalidated, s.session.accessToken() != accessToken:
		return
	case s.ended != nil && s.ended.reason == RefreshRejected:
		s.invalidated = invalidated // the gateway and an API agree
		s.wakeLocked()
		return
	case s.ended != nil, !s.session.refreshable(), !s.failure.retryAt().PassedOnEither(now):
		return
	}
	var former *rejections
	if s.history != nil {
		former = s.history.rejections
	}
	if next, admitted := former.admit(s.session, now); admitted {
		s.historyLocked().rejections, s.invalidated = &next, invalidated
		s.wakeLocked()
	}
}

// LoginRequired returns a channel that is closed when the end of the current
// session is noticed: by a call for a token, by Status, by Run; when a refresh is
// rejected; and by a sign-out, here or found in the store. It is closed also when
// there is a Login, which may be about to make up for it. Once there is a new
// session LoginRequired returns a new channel. Close does not close it: wait for
// something else besides.
func (s *Source) LoginRequired() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.required == nil {
		s.required = make(chan struct{})
		if s.ended != nil {
			close(s.required)
		}
	}
	return s.required
}

// draw returns a random number from [0,1).
func (s *Source) draw() float64 { return s.cfg.draw() }
