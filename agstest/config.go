package agstest

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/agsauth/agsauth/clock"
)

// The default user of a server, and the ID of that user's account. See
// [Config].Accounts.
const (
	DefaultUsername  = "dave"
	DefaultPassword  = "open sesame"
	DefaultAccountID = "1663"
)

const (
	defaultServiceID   = "Customer Auth Service"
	defaultAccess      = time.Hour
	defaultRefresh     = 48 * time.Hour
	defaultFixed       = 30 * 24 * time.Hour
	defaultDeviceLimit = 5
)

// Config configures a [Server]. The zero value is a strict gateway with one user,
// JWTs as tokens, and single-use refresh tokens.
type Config struct {
	// Addr is the TCP address to listen on, such as "127.0.0.1:8080", or "127.0.0.1:0"
	// for a free port. Empty means a free port of a loopback address. A server that
	// others can reach has no protection: its users and tokens are for tests.
	Addr string
	// Certificate makes the server speak TLS. Nil means plain HTTP.
	Certificate *Certificate
	// AdvertiseURL is the URL by which clients reach the server, if that is not its
	// address: behind a published port, a proxy or a name. It becomes Server.URL, and
	// the base of the URLs in the gateway's answers.
	AdvertiseURL string
	// InMemory makes the server listen in memory instead of on a loopback socket, so
	// that it works in a synctest bubble. Only [Server.Client] can connect to it.
	InMemory bool
	// Clock is the server's source of time and timers. Nil means the system clock.
	Clock clock.Clock
	// Skew is by how much the server's clock is ahead of Clock. A negative skew means
	// that it is behind. See [Server.SetSkew].
	Skew time.Duration

	// OnRequest is called with the record of each request once: when its response is
	// decided, or when it ends without one. It may be nil. It is called by the
	// goroutine that serves the request, so it should return soon.
	OnRequest func(Request)

	// AccessLifetime, RefreshLifetime and FixedLifetime are the lifetimes of an access
	// token, of a refresh token and of a whole session. They are rounded up to whole
	// seconds. Zero or less means 1 hour, 48 hours and 30 days.
	AccessLifetime, RefreshLifetime, FixedLifetime time.Duration

	// AuthServiceIDs are the services that discovery returns. A request for any other
	// gets a 404. If there are none, discovery returns "Customer Auth Service", and
	// requests may name any service.
	AuthServiceIDs []string
	// TenantID is the only tenant. A request for any other gets a 404. If it is empty,
	// requests may name any tenant.
	TenantID string
	// Accounts are the accounts that users can sign on to. None means one account, of
	// the user [DefaultUsername].
	Accounts []Account
	// DeviceLimit is how many devices an account may have. Zero means 5. A negative
	// value means no limit.
	DeviceLimit int
	// OptionalParameters accepts refreshes and sign-outs without a "parameters" field.
	// By default they get a 400.
	OptionalParameters bool

	// ReusableRefreshTokens makes a refresh token valid until it expires. By default it
	// can be used once, and a second use ends the session.
	ReusableRefreshTokens bool
	// ReuseGrace is how long after its first use a refresh token can be used again.
	// Each use returns a new pair. Zero means that it can be used once.
	ReuseGrace time.Duration
	// AccessEndsWithSession makes the API reject access tokens whose session has ended,
	// or whose account or device is blocked. By default the API checks only the token,
	// which stays valid until it expires.
	AccessEndsWithSession bool
	// NewestAccessOnly makes the API reject every access token of a session except the
	// newest one.
	NewestAccessOnly bool
	// LegacyRejections makes the API reject access tokens with status 200 instead of
	// 403. The body is the same.
	LegacyRejections bool

	// Dialect is the form of the requests that obtain tokens. The zero value is the
	// documented one.
	Dialect Dialect
	// Quirks are the format differences of this deployment.
	Quirks Quirks
}

// Account is an account that a user can sign on to. If several accounts have the same
// username and password, the server answers a sign-on with a 300, and the client must
// choose one of them.
type Account struct {
	// ID is the account's ID. If it is empty, the server makes one up.
	ID string
	// Username and Password are the values of the sign-on parameters "username" and
	// "password". The parameter names are not case-sensitive.
	Username, Password string
}

// Quirks are differences in format between deployments of the gateway. The zero value
// is the format that the gateway's documentation shows.
type Quirks struct {
	// OpaqueTokens makes tokens random text instead of JWTs.
	OpaqueTokens bool
	// MillisecondClaims writes the claims exp and fixed_exp in milliseconds. Tokens
	// then also expire to the millisecond.
	MillisecondClaims bool
	// OmitClaims are the names of claims that tokens do not have. A token without a
	// jti gets a nonce instead, so that all tokens are different.
	OmitClaims []string

	// StringLifetimes writes the three lifetimes of an answer as strings.
	StringLifetimes bool
	// RepeatFixedLifetime announces the whole FixedLifetime in every answer instead of
	// the remaining one. It does not extend the session.
	RepeatFixedLifetime bool
	// CapLifetimes makes all tokens expire no later than their session. By default an
	// answer may announce a longer lifetime, but the token ends with its session.
	CapLifetimes bool
	// OmitFields are the names of fields that answers with tokens do not have.
	// OmitOnRefresh are those that only the answer to a refresh does not have. If a
	// refresh returns no refresh_token, the one that was used stays valid.
	OmitFields, OmitOnRefresh []string
	// TokenType is the token_type. Empty means "bearer".
	TokenType string
	// SignOnStatus and RefreshStatus are the statuses of answers with tokens. Zero
	// means 201, or 200 in the dialect IASv2, and 200.
	SignOnStatus, RefreshStatus int
	// RefusalStatus is the status of all refusals in the dialect IASv2, whose clients
	// do not look at it. Zero means that each refusal has its own.
	RefusalStatus int
	// UserTokenInAccounts puts a userAccountToken into each account of a 300 answer,
	// instead of one token beside the accounts. The token then selects the account.
	UserTokenInAccounts bool

	// RequireBearer rejects refresh tokens that are not sent as "Bearer <token>".
	// RequireBare rejects those that are. By default both forms work in the dialect
	// AGS. The other dialects ignore these two.
	RequireBearer, RequireBare bool
	// RejectionStatus and RejectionCode are the status and the resultCode with which
	// the API rejects an access token. Zero and empty mean 403 and "99999:403".
	// LegacyRejections takes precedence over RejectionStatus.
	RejectionStatus int
	RejectionCode   string
}

// check returns an error if the server cannot be started as c says.
func (c Config) check() error {
	switch {
	case !c.Dialect.isKnown():
		return fmt.Errorf("agstest: Config.Dialect is %q; use %q, %q or none", c.Dialect, IASv3, IASv2)
	case c.InMemory && c.Addr != "":
		return errors.New("agstest: Config has both InMemory and Addr; use one of them")
	case c.AdvertiseURL == "":
		return nil
	}
	u, err := url.Parse(c.AdvertiseURL)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" ||
		u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return errors.New("agstest: Config.AdvertiseURL is not a URL of the form http://host or https://host")
	}
	return nil
}

// urlOf returns the URL of a server that listens on addr, without a trailing slash.
func (c Config) urlOf(addr net.Addr) string {
	switch {
	case c.AdvertiseURL != "":
		return strings.TrimRight(c.AdvertiseURL, "/")
	case c.Certificate != nil:
		return "https://" + reachable(addr)
	default:
		return "http://" + reachable(addr)
	}
}

// reachable returns the host and port by which a client on this machine reaches addr:
// a loopback address if addr is that of all interfaces.
func reachable(addr net.Addr) string {
	tcp, ok := addr.(*net.TCPAddr)
	if !ok || !tcp.IP.IsUnspecified() {
		return addr.String()
	}
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(tcp.Port))
}

// withDefaults returns a deep copy of c with defaults in place of zero values.
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
			c.Accounts[i].ID = defaultID(i)
		}
	}
	if c.Dialect == IASv2 && c.Quirks.SignOnStatus == 0 {
		c.Quirks.SignOnStatus = 200
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

// wholeSeconds returns d rounded up to whole seconds, or def if d is not positive.
func wholeSeconds(d, def time.Duration) time.Duration {
	if d <= 0 {
		return def
	}
	return (d + time.Second - 1).Truncate(time.Second)
}

// defaultID returns DefaultAccountID plus i, for the account at index i.
func defaultID(i int) string {
	first, _ := strconv.Atoi(DefaultAccountID)
	return strconv.Itoa(first + i)
}
