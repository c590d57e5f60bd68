package ags

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/agsauth/agsauth/clock"
)

// Config says which gateway a [Client] talks to, and how. BaseURL and TenantID
// are needed; AuthServiceID is, for every call but discovery. New copies what it
// is given. It prints as the names of its header fields and parameters, without their
// values, with the limits of [Parameter].
type Config struct {
	// BaseURL is where the gateway is: a scheme, a host, and a port and a path
	// where there are any. The path stands before those of Paths. It has no user
	// information, no query and no fragment. The scheme is https; http will do
	// for "localhost", in exactly this spelling, and loopback addresses; and see
	// AllowInsecure.
	BaseURL string
	// AuthServiceID is the operator's sign-on service, as discovery names it. It
	// may hold spaces.
	AuthServiceID string
	// TenantID is the tenant, such as "nagra".
	TenantID string

	// Header is sent with every request besides what the gateway always wants:
	// Nagra-Device-Type, Accept-Language, and whatever else a deployment asks
	// for. It does not override a field that the client itself sets on a
	// request: Accept, Content-Type, Nv-Tenant-Id, X-Auth-Service-Id,
	// X-Correlation-Id, and the Authorization or User-Token of the calls that
	// have one. Fields that say how a message is framed, such as Host,
	// Content-Length and Accept-Encoding, are an error from New.
	Header http.Header
	// Parameters are sent with refreshes and sign-outs, and with those sign-ons
	// and requests for a session token whose own are nil.
	Parameters []Parameter

	// HTTPClient gives the transport. Of the client itself a copy is used, whose
	// redirect policy, cookie jar and timeout are set aside: redirects are never
	// followed, there are no cookies, and Timeout bounds each attempt. Each
	// request has a connection of its own, which is not used again: what might
	// follow an answer there would end up in the standard log. Others of the
	// transport's connections are never closed. Nil, or one without a Transport,
	// means a transport of the Client's own with the usual settings: never
	// [http.DefaultTransport], which a program may have replaced by one that
	// needs this very Client for its tokens.
	//
	// It is also the way to trust a private certificate authority: give a client
	// whose Transport has a TLSClientConfig with RootCAs.
	//
	// The Client's own transport dials each address of the gateway's host for 5
	// seconds at most, so that one that does not answer costs no more than that.
	HTTPClient *http.Client
	// Timeout bounds each attempt of a call, from dialling to the last byte of the
	// answer, whatever the call's context. Zero means 30 seconds; a negative one is
	// an error from New. It is measured on Clock.
	Timeout time.Duration
	// Retry bounds what is tried again. See [WithoutRetry].
	Retry Retry

	// BareRefreshToken sends the refresh token alone in Authorization; otherwise
	// "Bearer " stands before it.
	BareRefreshToken bool
	// OmitParameters sends refreshes and sign-outs with the body {}. Parameters
	// are then for the other calls only.
	OmitParameters bool
	// AllowInsecure allows plain HTTP to any host. Tokens and passwords can then
	// be read on the way.
	AllowInsecure bool

	// Paths are those of the calls, for a deployment that has others.
	Paths Paths
	// Clock tells the instants; Timeout, and the waits between attempts, are measured on
	// it. Nil means the system's.
	Clock clock.Clock
}

// String returns the gateway's host, the service and the tenant, and the names of the
// header fields and of the parameters.
func (c Config) String() string {
	host := "?"
	if base, err := url.Parse(c.BaseURL); err == nil {
		host = base.Host // BaseURL may have a password in it, as long as New has not refused that
	}
	return fmt.Sprintf("ags.Config{host %q, AuthServiceID: %q, TenantID: %q, Header: %q, Parameters: %v}",
		host, c.AuthServiceID, c.TenantID, slices.Sorted(maps.Keys(c.Header)), c.Parameters)
}

// GoString returns what String does.
func (c Config) GoString() string { return c.String() }

// Format writes what String returns, whatever the verb.
func (c Config) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, c.String()) }

// MarshalText returns what String does, and never an error.
func (c Config) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// Retry bounds how a call that failed in passing is repeated. The waits grow
// from Min, doubling, to Cap, each taken at between 3/4 and 5/4; a Retry-After of
// the gateway is waited for in any case, up to 5 minutes of it. A wait that would
// outlast the context is not begun: the call then fails with what it has.
//
// Which failures are repeated is told by each call of [Client].
type Retry struct {
	// Max is how many times a call is repeated at most. Zero means 3; a negative
	// one, that no call is.
	Max int
	// Min is the first wait. Zero means 250 ms, or Cap if that is less.
	Min time.Duration
	// Cap is what waits grow to. Zero means 5 s, or Min if that is more.
	Cap time.Duration
}

// What the zero values of Retry mean.
const (
	defaultRetryMax = 3
	defaultFirst    = 250 * time.Millisecond
	defaultLongest  = 5 * time.Second
)

// withDefaults returns r with its zero values replaced by what they mean.
func (r Retry) withDefaults() (Retry, error) {
	if r.Min < 0 || r.Cap < 0 {
		return Retry{}, errors.New("ags: config: Retry has a negative wait")
	}
	switch {
	case r.Min == 0 && r.Cap == 0:
		r.Min, r.Cap = defaultFirst, defaultLongest
	case r.Min == 0:
		r.Min = min(defaultFirst, r.Cap)
	case r.Cap == 0:
		r.Cap = max(defaultLongest, r.Min)
	}
	if r.Cap < r.Min {
		return Retry{}, errors.New("ags: config: Retry.Cap is less than Retry.Min")
	}
	if r.Max == 0 {
		r.Max = defaultRetryMax
	}
	r.Max = max(r.Max, 0)
	return r, nil
}

// headerFor returns the fields that every request of a client has.
func headerFor(cfg Config) (http.Header, error) {
	if cfg.TenantID == "" {
		return nil, errors.New("ags: config: no TenantID")
	}
	if !isFieldValue(cfg.TenantID) || !isFieldValue(cfg.AuthServiceID) {
		return nil, errors.New("ags: config: TenantID or AuthServiceID cannot stand in a header")
	}
	h := make(http.Header, len(cfg.Header)+2)
	for name, values := range cfg.Header {
		if !isFieldName(name) || framesMessage(name) {
			return nil, fmt.Errorf("ags: config: Header has %q, which cannot be set", name)
		}
		for _, v := range values {
			if !isFieldValue(v) {
				return nil, fmt.Errorf("ags: config: Header has a value for %q that cannot stand in a header", name)
			}
			h.Add(name, v)
		}
	}
	h.Set("Nv-Tenant-Id", cfg.TenantID)
	h.Set("Accept", mediaTypeJSON)
	return h, nil
}

// framesMessage reports whether a header field is net/http's own to write: set
// by a caller it would be dropped without a word, or break the reading of the
// answer.
func framesMessage(name string) bool {
	switch http.CanonicalHeaderKey(name) {
	case "Host", "Connection", "Content-Length", "Transfer-Encoding", "Trailer", "Te", "Upgrade",
		"Content-Encoding", "Accept-Encoding", "Expect", "Keep-Alive", "Proxy-Connection":
		return true
	default:
		return false
	}
}

// isFieldName reports whether name is a token in the sense of RFC 9110, section
// 5.6.2.
func isFieldName(name string) bool {
	for _, r := range name {
		if !isTokenRune(r) {
			return false
		}
	}
	return name != ""
}

func isTokenRune(r rune) bool {
	switch {
	case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9':
		return true
	default:
		return strings.ContainsRune("!#$%&'*+-.^_`|~", r)
	}
}

// isFieldValue reports whether v can stand in a header: it has no control
// characters but the tab.
func isFieldValue(v string) bool {
	for i := range len(v) {
		if v[i] < ' ' && v[i] != '\t' || v[i] == 0x7f {
			return false
		}
	}
	return true
}

// isCredential reports whether v can stand in a header as it is, as one word.
func isCredential(v string) bool {
	for i := range len(v) {
		if v[i] <= ' ' || v[i] >= 0x7f {
			return false
		}
	}
	return v != ""
}
