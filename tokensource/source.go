package tokensource

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/oauth2"
)

// Source keeps one session alive. Make one with [New]. All its methods are safe for
// concurrent use. It has no goroutine and no timer but while something is under way.
type Source struct {
	// quiet is what a caller is served without a look at anything else. Only
	// refreshQuietLocked writes it.
	quiet atomic.Pointer[quiet]

	// Not changed after New.
	cfg     Config
	set     settings
	watch   watch
	turn    chan struct{}  // one slot: who fills it may use the store and the gateway
	closing chan struct{}  // closed by Close
	wg      sync.WaitGroup // counts flights, calls within them, and public calls that use the store
	randMu  sync.Mutex     // held while Config.Rand is called

	mu     sync.Mutex // guards all below; never held across I/O, a wait or the user's code
	closed bool

	session     *session
	unread      bool   // there is a store, and it was not read yet
	alone       bool   // it cannot be, and the session goes on without it
	generation  int64  // of the pair in memory, as it is stored
	highest     int64  // that is stored, or may be: it is given to no other pair
	clientID    string // the device, for as long as it is known to exist
	accountID   string
	invalidated bool // an API rejected the access token; callers wait for the next
	warned      bool // the end was announced ahead of time
	rejections  rejections

	ended          Reason // 0: not
	endedAt        time.Time
	endedErr       error
	attemptAt      time.Time     // what this Source last noted in the store
	outcomeUnknown bool          // a refresh of this pair may have been granted without our knowing
	rejected       error         // a rejection that waits for the store to be readable
	required       chan struct{} // what LoginRequired returns; closed by endLocked
	requiredClosed bool

	failure  failure // of the last refresh, login or first look at the store
	rereadAt horizon

	unsaved        bool // the store does not have what is in memory
	forced         bool // what is unsaved is a human's wish, and goes over what others stored
	saveFailures   int
	saveAt         horizon
	storeDown      bool
	storeGivenUpAt horizon

	flight  *flight                               // what is in the air, nil when nothing is
	epoch   uint64                                // raised by SetToken and SignOut: what was begun before is overtaken
	changed chan struct{}                         // closed, and replaced, when those who wait should look again
	running bool                                  // Run is
	active  int                                   // flights, deliveries and public calls under way
	calls   map[*context.CancelCauseFunc]struct{} // those of public calls under way

	events     []Event
	delivering bool
}

// quiet is a token and until when it can be served without anything else to do.
type quiet struct {
	bearer *oauth2.Token
	until  horizon
}

// New returns a Source. It calls nobody and starts nothing: the first call for a
// token does. The error says what is wrong with cfg.
func New(cfg Config) (*Source, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	cfg.fill()
	s := &Source{
		cfg:      cfg,
		set:      cfg.settings(),
		watch:    newWatch(cfg.Clock),
		turn:     make(chan struct{}, 1),
		closing:  make(chan struct{}),
		unread:   cfg.Store != nil,
		required: make(chan struct{}),
		changed:  make(chan struct{}),
		calls:    map[*context.CancelCauseFunc]struct{}{},
	}
	if cfg.Token != nil {
		now := s.watch.now()
		s.session = newSession(arrival{token: cfg.Token, from: handedIn, at: now, draw: s.draw()}, &s.set)
		s.clientID, s.accountID = cfg.Token.ClientID, cfg.Token.AccountID
	}
	return s, nil
}

// TokenContext returns a token that is live by both clocks. It is shared and must
// not be changed; it has no refresh token.
//
// While the session has a live token TokenContext returns it at once, without
// regard to ctx. Otherwise it waits for the one refresh, or login, that serves
// all who wait, until ctx ends, which ends the wait of this caller alone; the
// error is then the cause of ctx's end. It is [*UnavailableError] when no token
// can be had for now, [*LoginRequiredError] when the session has ended, and
// [ErrClosed] after Close.
func (s *Source) TokenContext(ctx context.Context) (*oauth2.Token, error) {
	if q := s.quiet.Load(); q != nil && !q.until.passedOnEither(s.watch.now()) {
		return q.bearer, nil
	}
	return s.wait(ctx)
}

// wait looks, and waits for what is in the air, until there is a token or the
// certainty that there is none.
func (s *Source) wait(ctx context.Context) (*oauth2.Token, error) {
	var waited *flight
	for {
		o := s.look(ctx)
		switch {
		case o.bearer != nil:
			return o.bearer, nil
		case waited != nil && waited.err != nil:
			// One failure answers all who waited for it.
			return nil, waited.err
		case o.flight == nil:
			return nil, s.awaitDelivery(ctx, o)
		case s.inLogin(ctx):
			return nil, errInLogin
		}
		waited = nil
		select {
		case <-o.flight.done:
			waited = o.flight
		case <-o.changed:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-s.closing:
			return nil, ErrClosed
		}
	}
}

// Invalidate tells that an API has rejected the access token. If that is the
// current one, callers from now on wait for a refresh, rather than being served
// it; should that fail for a passing reason it is served again. An API that
// rejects one token after the other is not followed: after one invalidation,
// others within 10 seconds (or half a token's life) have no effect, and that
// span doubles, up to 5 minutes, while each new token is rejected early in its
// life. Nor has it an effect without a refresh token, and while a failed refresh is
// remembered. Invalidate does not wait and calls nobody.
func (s *Source) Invalidate(accessToken string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.watch.now()
	switch {
	case s.closed, s.session == nil, s.ended != 0, s.invalidated,
		s.session.bearer.AccessToken != accessToken,
		!s.session.refreshable() || !s.failure.next.passedOnEither(now):
		return
	}
	var admitted bool
	if s.rejections, admitted = s.rejections.admit(s.session, now); admitted {
		s.invalidated = true
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
	return s.required
}

// Close ends the Source: it starts nothing more, answers all who wait with
// ErrClosed, and ends a login that is under way. A refresh under way is waited
// for until it is answered and saved, as the answer may hold the only pair that
// is still good; no longer than RefreshTimeout and StoreTimeout together. If that
// is not enough Close returns an error, and what is left ends by itself. What is
// stored stays stored. Further calls of Close wait as the first does.
func (s *Source) Close() error {
	s.mu.Lock()
	if !s.closed {
		s.closed = true
		close(s.closing)
		if s.flight != nil {
			s.flight.cancel(ErrClosed)
		}
		for cancel := range s.calls {
			(*cancel)(ErrClosed)
		}
		s.quiet.Store(nil)
	}
	idle := s.active == 0
	s.mu.Unlock()
	if idle {
		return nil
	}
	landed := make(chan struct{})
	go func() {
		defer close(landed)
		s.wg.Wait()
	}()
	timer := s.cfg.Clock.NewTimer(s.set.refreshTimeout + s.set.storeTimeout)
	defer timer.Stop()
	select {
	case <-landed:
		return nil
	case <-timer.C():
		return errors.New("tokensource: closed, but a refresh or a call of the store is still under way")
	}
}

// startLocked runs f on a goroutine that Close waits for.
func (s *Source) startLocked(f func()) {
	s.active++
	s.wg.Go(func() {
		defer s.finish()
		f()
	})
}

func (s *Source) finish() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.active--
}

// enter registers a public call that uses the store or the gateway: Close ends
// its context and waits for it. leave is to be called at its end.
func (s *Source) enter(ctx context.Context) (called context.Context, leave func(), err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, nil, ErrClosed
	}
	ctx, cancel := context.WithCancelCause(ctx)
	s.active++
	s.wg.Add(1)
	s.calls[&cancel] = struct{}{}
	return ctx, func() {
		cancel(nil)
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.calls, &cancel)
		s.active--
		s.wg.Done()
	}, nil
}

// draw returns a random number from [0,1).
func (s *Source) draw() float64 {
	s.randMu.Lock()
	defer s.randMu.Unlock()
	return s.cfg.Rand()
}
