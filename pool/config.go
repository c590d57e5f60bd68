package pool

import (
	"context"
	"iter"
	"log/slog"
	"time"

	"github.com/agsauth/agsauth/ags"
	"github.com/agsauth/agsauth/clock"
	"github.com/agsauth/agsauth/tokensource"
)

// KeepAlive is what [Pool.Run] keeps alive.
type KeepAlive uint8

const (
	// Sessions keeps the access tokens of sessions in use fresh. A session is in use if
	// somebody has asked for its token within [Config.IdleAfter]. The access token of any
	// other session expires, and the session is refreshed only ahead of the expiry of its
	// refresh token. It is the zero value.
	Sessions KeepAlive = iota
	// Tokens keeps the access tokens of all sessions fresh, and signs on again when a
	// session has ended, if there is a Login.
	Tokens
	// OnDemand refreshes and signs on only when somebody asks for a token.
	OnDemand
)

// String returns the value in lower case.
func (k KeepAlive) String() string {
	switch k {
	case Sessions:
		return "sessions"
	case Tokens:
		return "tokens"
	case OnDemand:
		return "on demand"
	}
	return "invalid"
}

// defaultIdleAfter is the default of Config.IdleAfter.
const defaultIdleAfter = 30 * time.Minute

// Config configures a Pool. Only Refresher is required. The zero values of the other
// fields are the defaults.
type Config struct {
	// Refresher makes a new pair of tokens from an old one. Required.
	Refresher tokensource.Refresher
	// Gate limits what all sessions start at the gateway. Nil means no limit.
	Gate *tokensource.Gate
	// Login returns the function that signs on for a key; it may return nil. It is called
	// each time the session is brought into memory, possibly for several keys at once, and
	// must not block. If it is nil, an ended session is continued with [Session.SetToken].
	Login func(key string) tokensource.LoginFunc
	// Store returns a new Store of a key, for example the Store method of a
	// redisstore.Family. It is called as Login is, and must not return nil. If Store is nil
	// the sessions are kept in memory only, and none is ever evicted.
	Store func(key string) tokensource.Store
	// LoadAll, if not nil, makes [Pool.Warm] faster: it loads the records of many keys at
	// once and yields one result for each. An error that Is [io/fs.ErrNotExist] says that
	// nothing is stored for the key; any other error, that its record could not be loaded.
	// It needs Store.
	LoadAll func(ctx context.Context, keys iter.Seq[string]) iter.Seq2[Loaded, error]

	// KeepAlive is what Run keeps alive.
	KeepAlive KeepAlive
	// MaxResident is how many sessions are in memory at most. Above that number Run evicts
	// those that were idle for longest. Sessions with something under way, or not saved,
	// are not evicted, so that there may be more for a while. Zero means no limit. It needs
	// Store.
	MaxResident int
	// IdleAfter is after what time without use a session is idle: Run evicts it, if there is a
	// Store. It is exact to a sixteenth. Zero means 30 minutes.
	IdleAfter time.Duration

	// The following are those of [tokensource.Config], for every session.

	RefreshBefore, RefreshTimeout, LockTimeout, StoreTimeout, WarnBefore time.Duration

	OnGrant func(ctx context.Context, granted *ags.Token) (*ags.Token, error)
	Clock   clock.Clock
	// Rand must be safe for concurrent use.
	Rand   func() float64
	Logger *slog.Logger

	// OnEvent is called with each event of each session. The events of one session come in
	// order; those of several may come at once. Of the rest see [tokensource.Config].
	OnEvent func(key string, e tokensource.Event)
}

// Loaded is a result of Config.LoadAll.
type Loaded struct {
	// Key is the key of the session.
	Key string
	// Store is a Store of the key that has loaded Data: its next Save replaces that record.
	Store tokensource.Store
	// Data is the record. The Pool does not change or keep it.
	Data []byte
}

// check returns what is wrong with the Config, apart from what is passed to tokensource.
func (c *Config) check() error {
	switch {
	case c.Refresher == nil:
		return &ConfigError{Field: "Refresher", Problem: "is nil"}
	case c.KeepAlive > OnDemand:
		return &ConfigError{Field: "KeepAlive", Problem: "is not one of the constants"}
	case c.IdleAfter < 0:
		return &ConfigError{Field: "IdleAfter", Problem: "is negative"}
	case c.MaxResident < 0:
		return &ConfigError{Field: "MaxResident", Problem: "is negative"}
	case c.MaxResident > 0 && c.Store == nil:
		return &ConfigError{Field: "MaxResident", Problem: "needs a Store, because memory has the only copy without one"}
	case c.LoadAll != nil && c.Store == nil:
		return &ConfigError{Field: "LoadAll", Problem: "needs a Store"}
	}
	return nil
}

// family returns what makes the Sources.
func (c *Config) family() (*tokensource.Family, error) {
	family, err := tokensource.NewFamily(tokensource.Config{
		Refresher: c.Refresher, Gate: c.Gate, OnGrant: c.OnGrant,
		RefreshBefore: c.RefreshBefore, RefreshTimeout: c.RefreshTimeout, LockTimeout: c.LockTimeout,
		StoreTimeout: c.StoreTimeout, WarnBefore: c.WarnBefore,
		Clock: c.Clock, Rand: c.Rand, Logger: c.Logger,
	})
	if err != nil {
		return nil, &ConfigError{Err: err}
	}
	return family, nil
}
