package tokensource

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/agsauth/agsauth/ags"
	"github.com/agsauth/agsauth/clock"
)

// Refresher spends a token's refresh token on a new pair. [*ags.Client] is one.
//
// It is called by one goroutine at a time. Its context ends after two thirds of
// [Config.RefreshTimeout]; an answer that has not come by then is taken for lost, and
// the same pair is refreshed once more, within the time that is left. A Refresher that
// does not heed its context is not called again before it has returned, unless all of
// RefreshTimeout has passed: then it is left behind. The context asks it not to retry
// on its own account (see [ags.WithoutRetry]). Its errors are judged by their class:
// only one that Is [ags.ErrUnauthorized] ends the session.
//
// One that also has a method SignOut(context.Context, *ags.Token) error is told
// of sign-outs.
type Refresher interface {
	Refresh(ctx context.Context, t *ags.Token) (*ags.Token, error)
}

// signOuter is what a Refresher may be besides.
type signOuter interface {
	SignOut(ctx context.Context, t *ags.Token) error
}

// LoginFunc signs on anew when a session has ended, or is about to and cannot be
// refreshed any more. The error tells which session, why, and what identity the
// device has. It is called by one goroutine at a time, for all who wait.
//
// When its error says that the device was deleted (see [ags.DeviceDeleted]) it is
// called once more, at once, without a ClientID. After any other error it is called
// again when somebody asks, after a back-off: of a minute and more, or of less when
// the error Is [ags.ErrUnavailable] or [ags.ErrProtocol]. A session that cannot be used
// for 10 seconds counts as an error: its access token is served while it lives, and the
// next call is a minute or more later. Two calls that succeed are at least 10 seconds
// apart.
//
// Its context has the values of the call that started it, and ends when the
// Source is closed, or when SetToken or SignOut has made it pointless; it has no
// deadline, as a human may be part of it. A call of the same Source with this
// context returns an error where it would wait for the login itself.
type LoginFunc func(ctx context.Context, ended *LoginRequiredError) (*ags.Token, error)

// Store keeps a session's record where it outlives the process. To a store the
// record is opaque bytes. A Store value belongs to one Source, which makes one
// call at a time; but one that does not return when its context ends, after
// [Config.StoreTimeout], is left behind, and the next may begin beside it.
type Store interface {
	// Load returns the record. Where nothing is stored the error Is
	// [io/fs.ErrNotExist], and no other error is. One with a method LeaveAlone()
	// bool that returns true says that something is stored that this Store cannot
	// read, and that others may: the Source then saves nothing in its place, does
	// not sign on, and does not refresh what others may be refreshing. One with a
	// method Damaged() bool that returns true says that what is stored cannot be
	// anybody's record: the Source has it set aside, if the Store can do that.
	Load(ctx context.Context) ([]byte, error)
	// Save replaces the record, whole or not at all, if it is still the one
	// that this Store value loaded or saved last. If not, the error Is
	// [io/fs.ErrExist].
	Save(ctx context.Context, record []byte) error
	// Delete removes the record. A Source never calls it: it is for a user who
	// wants the device forgotten.
	Delete(ctx context.Context) error
}

// Locker is what a [Store] may be besides, so that several processes that share
// a record refresh it one at a time.
type Locker interface {
	// Lock waits until nobody else holds the lock, or ctx ends. ctx bounds the
	// wait alone: it is over when Lock has returned, and the lock outlives it.
	// unlock is called once. An error that Is [errors.ErrUnsupported] says that
	// there is no lock here: the Source then goes on without one.
	Lock(ctx context.Context) (unlock func() error, err error)
}

// Config says what a Source works with. Its zero values are the defaults; only
// Refresher is required.
type Config struct {
	// Refresher makes a new pair of tokens from an old one. Required.
	Refresher Refresher
	// Token is the session to begin with. With a Store it is used, and saved, if
	// nothing is stored, or if it was issued later than what is stored, or is of
	// another client or account. Nil is none.
	Token *ags.Token
	// Login signs on anew when the session has ended. Nil leaves that to the
	// caller, who learns of it by [*LoginRequiredError], [Source.LoginRequired]
	// and OnEvent, and answers with [Source.SetToken].
	Login LoginFunc
	// Store keeps the session beyond the process. Nil keeps it in memory.
	Store Store

	// RefreshBefore is how long before its earliest horizon a pair is refreshed.
	// Zero means a tenth of its life, between 10 seconds and 5 minutes. It is
	// never more than half of the life; up to a fifth is added at random, so
	// that what signed on together does not refresh together.
	RefreshBefore time.Duration
	// RefreshTimeout bounds one attempt to refresh: two thirds of it the first
	// request, and all of it that and its repetition, which is made at once when the
	// answer was lost on the way or has not come by then. Zero means 15 seconds.
	RefreshTimeout time.Duration
	// LockTimeout is how long a caller without a live token waits for the
	// store's lock, and how long a store must have been out of reach before a
	// refresh is made without it. Zero means 30 seconds.
	LockTimeout time.Duration
	// StoreTimeout bounds each call of the Store but that of Lock. Zero means 5
	// seconds.
	StoreTimeout time.Duration
	// WarnBefore is how long before the end of the session its end is announced
	// by [EventEnding]. Zero means a tenth of the session's span, between 10
	// minutes and 24 hours and at most half of it.
	WarnBefore time.Duration

	// Clock is where time comes from. Nil is the system's. One that is
	// [clock.Monotonic] is asked for both sides of time.
	Clock clock.Clock
	// Rand returns a number from [0,1), and is called by one goroutine at a
	// time. Nil is math/rand/v2. It spreads refreshes and retries, and decides
	// nothing that must not be guessed.
	Rand func() float64
	// OnEvent is told what happens, in order, after it took effect and with no
	// lock held. It is called on the goroutine of the refresh or login, or of the
	// SetToken, SignOut or Sync, that it tells of. A slow one keeps nobody from a
	// token; it delays the events behind it, Close, and the one caller who is the
	// first to learn of an end. It may call every method but Close and Run, which
	// would wait for itself. A panic of it is recovered, and logged as an error.
	OnEvent func(Event)
	// Logger is told the same: refreshes at debug level, retries and logins at
	// info, what a human should know at warn. Nil is none.
	Logger *slog.Logger
}

// The defaults of Config.
const (
	defaultRefreshTimeout = 15 * time.Second
	defaultLockTimeout    = 30 * time.Second
	defaultStoreTimeout   = 5 * time.Second
)

// settings is a Config's part that decisions depend on.
type settings struct {
	refreshBefore, warnBefore                 time.Duration
	refreshTimeout, lockTimeout, storeTimeout time.Duration
}

// setup is what a Source keeps of its Config, the clock aside.
type setup struct {
	Refresher Refresher
	Login     LoginFunc
	// options is nil when all of them are left at their defaults.
	options *options
}

// options is the part of a Config that most leave as it is.
type options struct {
	settings

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
	if c.Token != nil && c.Token.AccessToken.IsZero() {
		return errors.New("tokensource: Config.Token has no access token")
	}
	return nil
}

// setup returns what is to be kept.
func (c *Config) setup() setup {
	kept := setup{Refresher: c.Refresher, Login: c.Login}
	given := settings{c.RefreshBefore, c.WarnBefore, c.RefreshTimeout, c.LockTimeout, c.StoreTimeout}
	if c.Rand == nil && c.OnEvent == nil && c.Logger == nil && given == (settings{}) {
		return kept
	}
	standard := defaultSettings()
	given.refreshTimeout = cmp.Or(given.refreshTimeout, standard.refreshTimeout)
	given.lockTimeout = cmp.Or(given.lockTimeout, standard.lockTimeout)
	given.storeTimeout = cmp.Or(given.storeTimeout, standard.storeTimeout)
	kept.options = &options{settings: given, onEvent: c.OnEvent, logger: c.Logger, rand: c.Rand}
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

// signOuter returns what can tell the gateway of a sign-out, nil if the Refresher cannot.
func (s *setup) signOuter() signOuter {
	client, _ := s.Refresher.(signOuter)
	return client
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

// onEvent tells the user's OnEvent, if there is one.
func (s *setup) onEvent(e Event) {
	if s.options != nil && s.options.onEvent != nil {
		s.options.onEvent(e)
	}
}

// listening reports whether anybody is to be told of events.
func (s *setup) listening() bool {
	return s.options != nil && (s.options.onEvent != nil || s.options.logger != nil)
}

// logger returns the Logger, nil when there is none.
func (s *setup) logger() *slog.Logger {
	if s.options == nil {
		return nil
	}
	return s.options.logger
}
