package tokensource

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/agsauth/agsauth/ags"
	"github.com/agsauth/agsauth/clock"
	"github.com/agsauth/agsauth/tokensource/internal/dualclock"
)

// Refresher redeems a token's refresh token for a new pair. [*ags.Client] is one.
//
// One goroutine calls it at a time. The context ends after two thirds of
// [Config.RefreshTimeout]. An answer that has not come by then counts as lost, and the
// same pair is refreshed once more within the time that is left. A Refresher that does not
// heed the end of its context is not called again before it has returned, or all of
// RefreshTimeout has passed. The context asks it not to retry by itself (see
// [ags.WithoutRetry]). Only an error that Is [ags.ErrUnauthorized] ends the session.
//
// If a Refresher also has a method SignOut(context.Context, *ags.Token) error, that is
// called to sign out a session.
type Refresher interface {
	Refresh(ctx context.Context, t *ags.Token) (*ags.Token, error)
}

// signOuter is optionally implemented by a Refresher.
type signOuter interface {
	SignOut(ctx context.Context, t *ags.Token) error
}

// LoginFunc signs on again when a session has ended, or is about to end and cannot be
// refreshed any more. The error says which session, why, and what identity the device has.
// One goroutine calls it at a time, on behalf of all who wait.
//
// If it fails because the device was deleted (see [ags.DeviceDeleted]) it is called once
// more, at once, without a ClientID. After any other error the next caller causes another
// call, but only after a back-off: of a minute and more, or less if the error Is
// [ags.ErrUnavailable] or [ags.ErrProtocol]. A login whose session is usable for less
// than 10 seconds also counts as failed: its access token is served while it lives, and
// the next call is a minute or more later. Two successful calls are at least 10 seconds
// apart.
//
// The context has the values of the call that started the login. It ends when the Source
// is closed, and when SetToken or SignOut have made the login pointless. It has no
// deadline, because a human may take part. A call of the same Source with this context
// returns an error instead of waiting for the login itself.
type LoginFunc func(ctx context.Context, ended *LoginRequiredError) (*ags.Token, error)

// Store persists the record of a session. To a store the record is opaque bytes. A Store
// value belongs to one Source, which makes one call at a time. A call that does not
// return when its context ends, after [Config.StoreTimeout], is left behind, and the next
// one may begin beside it.
//
// A Store may also implement two more methods. SetAside(ctx context.Context, suffix
// string) error moves a damaged record out of the way, so that a new one does not destroy
// it. Notices() []error returns what the store has repaired by itself since the last
// call; it becomes [EventStoreRepaired].
type Store interface {
	// Load returns the record. If nothing is stored the error Is [io/fs.ErrNotExist],
	// and no other error is.
	//
	// An error with a method LeaveAlone() bool that returns true says that something is
	// stored that this Store cannot read and that others may. Then the Source saves
	// nothing in its place, does not sign on, and does not refresh what others may be
	// refreshing. An error with a method Damaged() bool that returns true says that what
	// is stored cannot be anybody's record. Then the Source has it set aside.
	Load(ctx context.Context) ([]byte, error)
	// Save replaces the record, whole or not at all, if it is still the one that this
	// Store value loaded or saved last. If it is not, the error Is [io/fs.ErrExist].
	Save(ctx context.Context, record []byte) error
	// Delete removes the record. A Source never calls it: it is for programs that want to
	// remove the record.
	Delete(ctx context.Context) error
}

// Locker is optionally implemented by a [Store], so that several processes that share a
// record refresh it one at a time.
type Locker interface {
	// Lock waits until nobody else holds the lock, or ctx ends. ctx bounds only the wait:
	// the lock outlives it. unlock is called once. An error that Is
	// [errors.ErrUnsupported] says that there is no lock: the Source goes on without one.
	Lock(ctx context.Context) (unlock func() error, err error)
}

// Config configures a Source. Only Refresher is required. The zero values of the other
// fields are the defaults.
type Config struct {
	// Refresher makes a new pair of tokens from an old one. Required.
	Refresher Refresher
	// Token is the session to begin with. If there is a Store it is used, and saved, only
	// if nothing is stored, or if it was issued later than what is stored, or is of
	// another client or account.
	Token *ags.Token
	// Login signs on again when the session has ended. If it is nil that is left to the
	// caller, who learns of the end by [*LoginRequiredError], [Source.LoginRequired] and
	// OnEvent, and answers with [Source.SetToken].
	Login LoginFunc
	// OnGrant, if not nil, is called with each pair that a refresh or Login was granted, and
	// returns the pair to use. It is for deployments in which each new access token is
	// exchanged once more. Fields of the result that are zero are those of the granted pair,
	// except for the AccessToken, which is required. It is not called for what was handed
	// in as Token or with SetToken.
	//
	// The refresh token of the granted pair is saved before OnGrant is called; its access
	// token is not used. If OnGrant fails, for whatever reason, the refresh is tried again
	// after the back-off, with the new refresh token. Callers get the former access token
	// until it expires. One goroutine calls OnGrant at a time. The context has the values
	// of the call that started the refresh or login and ends after RefreshTimeout.
	OnGrant func(ctx context.Context, granted *ags.Token) (*ags.Token, error)
	// Store keeps the session beyond the process. Nil keeps it in memory.
	Store Store

	// Gate limits how many refreshes and logins of all the Sources that share it start in a
	// second, and are under way. Nil means no limit.
	Gate *Gate

	// RefreshBefore is how long before its first horizon a pair is refreshed. Zero means a
	// tenth of its life, between 10 seconds and 5 minutes. It is never more than half of
	// the life. Up to a fifth is added at random, so that sessions that began together are
	// not refreshed together.
	RefreshBefore time.Duration
	// RefreshTimeout bounds one attempt to refresh. The first request has two thirds of
	// it. If its answer is lost, or has not come by then, the request is repeated at once
	// within the time that is left. Zero means 15 seconds.
	RefreshTimeout time.Duration
	// LockTimeout is how long a caller without a live token waits for the store's lock,
	// and after how long a failing store is bypassed. Zero means 30 seconds.
	LockTimeout time.Duration
	// StoreTimeout bounds each call of the Store, except Lock. Zero means 5 seconds.
	StoreTimeout time.Duration
	// WarnBefore is how long before the end of the session [EventEnding] announces it.
	// Zero means a tenth of the session's span, between 10 minutes and 24 hours and at
	// most half of it.
	WarnBefore time.Duration

	// Clock is where time comes from. Nil means the system's clock. If it is
	// [clock.Monotonic] its monotonic side is used, too.
	Clock clock.Clock
	// Rand returns a number from [0,1). One goroutine calls it at a time. Nil means
	// math/rand/v2. It spreads refreshes and retries, and need not be unpredictable.
	Rand func() float64
	// OnEvent is called with each event, in order, after the event has taken effect and
	// with no lock held. It runs on the goroutine of the refresh, login or public call
	// that caused the event. A slow OnEvent delays later events, Close, and the first
	// caller to receive the error of an ended session. It does not delay callers for
	// which there is a live token. It may call every method except Close and Run, which
	// would wait for it. If it panics that is recovered and logged as an error.
	OnEvent func(Event)
	// Logger logs the events: refreshes at debug level, retries and logins at info, what a
	// human should know at warn. Nil means no log.
	Logger *slog.Logger
}

// The defaults of Config.
const (
	defaultRefreshTimeout = 15 * time.Second
	defaultLockTimeout    = 30 * time.Second
	defaultStoreTimeout   = 5 * time.Second

	// maxSetting is what longer durations are cut to, so that sums with them do not
	// overflow.
	maxSetting = 25 * 365 * 24 * time.Hour
)

// settings is the part of a Config that decisions depend on.
type settings struct {
	refreshBefore, warnBefore                 time.Duration
	refreshTimeout, lockTimeout, storeTimeout time.Duration
}

// setup is what a Source keeps of its Config, and what all Sources of a Family share. It is
// not changed.
type setup struct {
	refresher Refresher
	clock     dualclock.Reader
	// options is nil if all of them have their defaults.
	options *options
}

// options is the part of a Config that most users leave as it is.
type options struct {
	settings

	gate    *Gate
	onGrant func(context.Context, *ags.Token) (*ags.Token, error)
	onEvent func(Event)
	logger  *slog.Logger
	randMu  sync.Mutex // held while rand is called
	rand    func() float64
}

// check returns what is wrong with the Config.
func (c *Config) check() error {
	if c.Refresher == nil {
		return errors.New("tokensource: Config.Refresher is nil")
	}
	for _, d := range []struct {
		name  string
		value time.Duration
	}{
		{"RefreshBefore", c.RefreshBefore},
		{"RefreshTimeout", c.RefreshTimeout},
		{"LockTimeout", c.LockTimeout},
		{"StoreTimeout", c.StoreTimeout},
		{"WarnBefore", c.WarnBefore},
	} {
		if d.value < 0 {
			return errors.New("tokensource: Config." + d.name + " is negative")
		}
	}
	if c.Gate != nil && c.Gate.err != nil {
		return fmt.Errorf("tokensource: Config.Gate: %w", c.Gate.err)
	}
	return checkToken(c.Token)
}

func checkToken(t *ags.Token) error {
	if t != nil && t.AccessToken.IsZero() {
		return errors.New("tokensource: Config.Token has no access token")
	}
	return nil
}

// setup returns what is to be kept.
func (c *Config) setup() *setup {
	kept := &setup{refresher: c.Refresher, clock: dualclock.NewReader(c.Clock)}
	given := settings{c.RefreshBefore, c.WarnBefore, c.RefreshTimeout, c.LockTimeout, c.StoreTimeout}
	if c.Gate == nil && c.OnGrant == nil && c.Rand == nil && c.OnEvent == nil && c.Logger == nil && given == (settings{}) {
		return kept
	}
	for _, d := range []*time.Duration{&given.refreshBefore, &given.warnBefore, &given.refreshTimeout, &given.lockTimeout, &given.storeTimeout} {
		*d = min(*d, maxSetting)
	}
	standard := defaultSettings()
	given.refreshTimeout = cmp.Or(given.refreshTimeout, standard.refreshTimeout)
	given.lockTimeout = cmp.Or(given.lockTimeout, standard.lockTimeout)
	given.storeTimeout = cmp.Or(given.storeTimeout, standard.storeTimeout)
	kept.options = &options{settings: given, gate: c.Gate, onGrant: c.OnGrant, onEvent: c.OnEvent, logger: c.Logger, rand: c.Rand}
	return kept
}

func defaultSettings() settings {
	return settings{refreshTimeout: defaultRefreshTimeout, lockTimeout: defaultLockTimeout, storeTimeout: defaultStoreTimeout}
}

func (s *setup) settings() settings {
	if s.options == nil {
		return defaultSettings()
	}
	return s.options.settings
}

// signOuter returns the Refresher's SignOut, nil if it has none.
func (s *setup) signOuter() signOuter {
	client, _ := s.refresher.(signOuter)
	return client
}

// randomOr returns random, or that of math/rand/v2 if it is nil.
func randomOr(random func() float64) func() float64 {
	if random == nil {
		return rand.Float64
	}
	return random
}

// gate returns the Gate, nil if there is none.
func (s *setup) gate() *Gate {
	if s.options == nil {
		return nil
	}
	return s.options.gate
}

// draw returns a random number from [0,1).
func (s *setup) draw() float64 {
	draw := rand.Float64
	if o := s.options; o != nil && o.rand != nil {
		o.randMu.Lock()
		defer o.randMu.Unlock()
		draw = o.rand
	}
	return draw()
}

// onGrant returns the user's OnGrant, nil if there is none.
func (s *setup) onGrant() func(context.Context, *ags.Token) (*ags.Token, error) {
	if s.options == nil {
		return nil
	}
	return s.options.onGrant
}

// onEvent calls the user's OnEvent, if there is one.
func (s *setup) onEvent(e Event) {
	if s.options != nil && s.options.onEvent != nil {
		s.options.onEvent(e)
	}
}

// listening reports whether events have a receiver.
func (s *setup) listening() bool {
	return s.options != nil && (s.options.onEvent != nil || s.options.logger != nil)
}

// logger returns the Logger, nil if there is none.
func (s *setup) logger() *slog.Logger {
	if s.options == nil {
		return nil
	}
	return s.options.logger
}
