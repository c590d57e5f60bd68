package agstest

import (
	"slices"
	"strconv"
	"time"

	"github.com/agsauth/agsauth/clock"
)

// The user that a server knows when [Config.Accounts] names none, and the
// identifier of that user's account.
const (
	DefaultUsername  = "dave"
	DefaultPassword  = "open sesame"
	DefaultAccountID = "1663"
)

// What the zero values of Config mean.
const (
	defaultServiceID   = "Customer Auth Service"
	defaultAccess      = time.Hour
	defaultRefresh     = 48 * time.Hour
	defaultFixed       = 30 * 24 * time.Hour
	defaultDeviceLimit = 5
)

// Config says what gateway, and what API, a [Server] is. Its zero value is one
// that is strict and usual: one user, JWTs, refresh tokens that are good once.
type Config struct {
	// InMemory makes the server listen in memory instead of on a loopback
	// socket, so that it can be used inside a bubble of testing/synctest. Only
	// the server's own [Server.Client] reaches it then.
	InMemory bool
	// Clock is what the server reads the time from and waits on. Nil means the
	// system's.
	Clock clock.Clock
	// Skew is by how much the server's clock is ahead of Clock; negative, if it
	// is behind. See [Server.SetSkew].
	Skew time.Duration

	// AccessLifetime, RefreshLifetime and FixedLifetime are the spans of the
	// three horizons of a session: of an access token, of a refresh token, and
	// of the session as a whole. They are rounded up to whole seconds, which is
	// what the wire has. Zero or less means one hour, 48 hours and 30 days.
	AccessLifetime, RefreshLifetime, FixedLifetime time.Duration

	// AuthServiceIDs are the services that discovery announces. A request that
	// names another gets a 404. None means one, "Customer Auth Service", and
	// that any name will do.
	AuthServiceIDs []string
	// TenantID is the one tenant there is; a request that names another gets a
	// 404. Empty means that any name will do.
	TenantID string
	// Accounts are those that can be signed on to. None means one: that of
	// [DefaultUsername].
	Accounts []Account
	// DeviceLimit is how many devices an account may have. Zero means 5, a
	// negative one that there is no limit.
	DeviceLimit int
	// OptionalParameters accepts refreshes and sign-outs whose body has no
	// parameters at all. Otherwise they get a 400.
	OptionalParameters bool

	// ReusableRefreshTokens makes a refresh token good until it expires, however
	// often it is presented. Otherwise it is good once, and one that is presented
	// again ends the session.
	ReusableRefreshTokens bool
	// ReuseGrace is how long after its first use a refresh token may be presented
	// again; each use is answered with a new pair. Zero means not at all.
	ReuseGrace time.Duration
	// AccessEndsWithSession makes the API reject the access tokens of a session
	// that has ended, and of an account or a device that is in no good standing.
	// Otherwise it looks at the token alone, and an access token is good until it
	// expires, whatever became of its session.
	AccessEndsWithSession bool
	// NewestAccessOnly makes the API reject all access tokens of a session but
	// the one issued last.
	NewestAccessOnly bool
	// LegacyRejections answers a rejected access token with status 200, and the
	// same body as otherwise with a 403.
	LegacyRejections bool

	// Quirks are the ways in which this deployment writes things differently.
	Quirks Quirks
}

// Account is one that can be signed on to. Several with the same username and
// password are a choice: the sign-on is answered with a 300.
type Account struct {
	// ID is the account's identifier. Empty means one made up by the server.
	ID string
	// Username and Password are what a sign-on has to name, as parameters
	// "username" and "password". Case does not matter in the parameters' names.
	Username, Password string
}

// Quirks are the ways in which one deployment writes the same things differently
// from another. The zero value is how the gateway's documentation shows them.
type Quirks struct {
	// OpaqueTokens makes tokens random text in place of JWTs.
	OpaqueTokens bool
	// MillisecondClaims writes exp and fixed_exp in milliseconds; the server then
	// also keeps to them by the millisecond.
	MillisecondClaims bool
	// OmitClaims are the claims left out of the tokens, by name. A token without a
	// jti has a nonce instead, for no two are the same.
	OmitClaims []string

	// StringLifetimes writes the three lifetimes of an answer as strings.
	StringLifetimes bool
	// RepeatFixedLifetime has every answer announce the whole FixedLifetime. The
	// session ends no later for it. Otherwise an answer announces what is left.
	RepeatFixedLifetime bool
	// CapLifetimes ends every token at the session's own end at the latest.
	// Otherwise tokens may say that they outlive it, though they do not.
	CapLifetimes bool
	// OmitFields are the fields left out of every answer with tokens, by name,
	// OmitOnRefresh those left out of the answer to a refresh only. Where a
	// refresh does not answer a refresh_token, the one presented stays good.
	OmitFields, OmitOnRefresh []string
	// TokenType is what is answered as token_type. Empty means "bearer".
	TokenType string
	// SignOnStatus and RefreshStatus are the statuses of answers with tokens.
	// Zero means 201 and 200.
	SignOnStatus, RefreshStatus int
	// UserTokenInAccounts writes a userAccountToken into each account of a
	// choice, in place of one beside them: which of them is sent back says which
	// account was chosen.
	UserTokenInAccounts bool

	// RequireBearer refuses a refresh token that is not sent as "Bearer <token>",
	// RequireBare one that is. Otherwise both forms will do.
	RequireBearer, RequireBare bool
	// RejectionStatus and RejectionCode are the status and the resultCode with
	// which the API rejects an access token. Zero and empty mean 403 and
	// "99999:403". LegacyRejections goes before RejectionStatus.
	RejectionStatus int
	RejectionCode   string
}

// withDefaults returns c with its zero values replaced by what they mean, and
// sharing no memory with c.
func (c Config) withDefaults() Config {
	if c.Clock == nil {
		c.Clock = clock.Real{}
	}
	c.AccessLifetime = wholeSeconds(c.AccessLifetime, defaultAccess)
	c.RefreshLifetime = wholeSeconds(c.RefreshLifetime, defaultRefresh)
	c.FixedLifetime = wholeSeconds(c.FixedLifetime, defaultFixed)
	if c.DeviceLimit == 0 {
		c.DeviceLimit = defaultDeviceLimit
	}
	c.AuthServiceIDs = slices.Clone(c.AuthServiceIDs)
	c.Accounts = slices.Clone(c.Accounts)
	if len(c.Accounts) == 0 {
		c.Accounts = []Account{{Username: DefaultUsername, Password: DefaultPassword}}
	}
	for i := range c.Accounts {
		if c.Accounts[i].ID == "" {
			c.Accounts[i].ID = madeUpID(i)
		}
	}
	c.Quirks = c.Quirks.withDefaults()
	return c
}

func (q Quirks) withDefaults() Quirks {
	q.OmitClaims = slices.Clone(q.OmitClaims)
	q.OmitFields = slices.Clone(q.OmitFields)
	q.OmitOnRefresh = slices.Clone(q.OmitOnRefresh)
	if q.TokenType == "" {
		q.TokenType = "bearer"
	}
	if q.SignOnStatus == 0 {
		q.SignOnStatus = 201
	}
	if q.RefreshStatus == 0 {
		q.RefreshStatus = 200
	}
	if q.RejectionStatus == 0 {
		q.RejectionStatus = 403
	}
	if q.RejectionCode == "" {
		q.RejectionCode = "99999:403"
	}
	return q
}

// wholeSeconds returns d rounded up to seconds, or def if d is none.
func wholeSeconds(d, def time.Duration) time.Duration {
	if d <= 0 {
		return def
	}
	return (d + time.Second - 1).Truncate(time.Second)
}

// madeUpID returns the identifier of the i-th account that has none:
// DefaultAccountID and those that follow it.
func madeUpID(i int) string {
	first, _ := strconv.Atoi(DefaultAccountID)
	return strconv.Itoa(first + i)
}
