package ags

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/agsauth/agsauth/clock"
)

// Config configures a [Client]. BaseURL and TenantID are required; every call but
// discovery and the IAS calls of a [Dialect] also requires AuthServiceID. New copies
// the values. A Config prints without the values of its header fields and parameters,
// with the limits of [Parameter].
type Config struct {
	// BaseURL is the gateway's URL: a scheme, a host, and optionally a port and a
	// path, which is prepended to those of Paths. It must have no user information,
	// query or fragment. The scheme must be https, or http for "localhost" (in this
	// spelling) and loopback addresses; see also AllowInsecure.
	BaseURL string
	// AuthServiceID is the operator's sign-on service, as [Client.Discover] names
	// it. It may contain spaces.
	AuthServiceID string
	// TenantID is the tenant, such as "nagra".
	TenantID string
	// Dialect is the form of the calls that obtain tokens. The zero value is that of
	// the platform's documentation.
	Dialect Dialect

	// Header is sent with every request. A deployment may need fields such as
	// Nagra-Device-Type or Accept-Language. It does not override the fields that
	// the client sets itself, or leaves out in a [Dialect]: Accept, Content-Type,
	// Nv-Tenant-Id, Tenantid, X-Auth-Service-Id, X-Correlation-Id, and the
	// Authorization or User-Token of calls that have one. New returns an error for fields that net/http controls,
	// such as Host, Content-Length and Accept-Encoding.
	Header http.Header
	// Parameters are sent with refreshes and sign-outs, and with sign-ons and
	// session token requests whose own are nil. The IAS refreshes of a [Dialect] have
	// no parameters.
	Parameters []Parameter
	// DeviceInformation is a JSON object that describes the device. With the dialect
	// [IASv2] it is the body of every refresh, and of sign-ons whose own is empty. If
	// there is none, {} is sent. New returns an error if it is set with another
	// dialect.
	DeviceInformation json.RawMessage

	// HTTPClient provides the Transport. Its redirect policy, cookie jar and
	// timeout are not used: redirects are never followed, there are no cookies, and
	// Timeout bounds each attempt.
	//
	// Connections that negotiate HTTP/2 are kept, and shared by concurrent calls. Other
	// connections carry one request and are then closed: see KeepHTTP1Connections.
	//
	//   - An [http.Transport] that can use HTTP/2 is copied by New. Later changes to it
	//     have no effect, and its connections are not used. If they are zero, the copy
	//     has an IdleConnTimeout of 90 seconds and an HTTP2.SendPingTimeout of 5
	//     seconds, with a PingTimeout of 4. As always in net/http, Proxy and the dial functions are called for a
	//     new connection only, and without ForceAttemptHTTP2 or Protocols a transport
	//     with a dial function or a TLSClientConfig does not use HTTP/2.
	//   - Any other transport is used as it is, also an http.Transport with an HTTP/2
	//     implementation of its own, in TLSNextProto or by RegisterProtocol. Every
	//     request has Close set, so that its connection is not kept, and other
	//     connections are never closed.
	//
	// Nil, or a client without a Transport, means a transport of the Client's own
	// with the usual settings, which dials each address of the host for 5 seconds
	// at most. It is never [http.DefaultTransport], which a program may have
	// replaced with one that needs this Client for its tokens.
	//
	// To trust a private certificate authority, set a Transport whose
	// TLSClientConfig has RootCAs, as in the example.
	HTTPClient *http.Client
	// KeepHTTP1Connections keeps HTTP/1.1 connections too, and leaves connections to
	// the transport if New does not copy it.
	//
	// If a gateway or proxy sends more data than belongs to a response, such as a body
	// that is longer than its Content-Length, net/http writes the beginning of it to the
	// standard log, and that may be a token. Set it only if this cannot happen, or the
	// log is as safe as the tokens. Besides, the gateway may close a kept connection
	// just as a request is written. Such a request may have been processed, so a
	// sign-on then fails, without a retry.
	KeepHTTP1Connections bool
	// Timeout bounds each attempt of a call, from dialing to the last byte of the
	// response, on Clock. Zero means 30 seconds; New returns an error if it is
	// negative.
	Timeout time.Duration
	// Retry limits the retries of each call. See also [WithoutRetry].
	Retry Retry

	// BareRefreshToken sends the refresh token alone in Authorization, without the
	// "Bearer " before it. The platform's documentation shows the token alone;
	// public clients send "Bearer ". New returns an error if it is set with the
	// dialect [IASv2], which has no Authorization.
	BareRefreshToken bool
	// OmitParameters sends refreshes and sign-outs with the body {}, as public
	// clients do. Parameters are then for the other calls only.
	OmitParameters bool
	// AllowInsecure allows plain HTTP to any host. Tokens and passwords can then
	// be read by others on the network.
	AllowInsecure bool

	// Paths replace the default paths of the calls.
	Paths Paths
	// Clock measures token times, Timeout and the waits between attempts. Nil means
	// the system clock.
	Clock clock.Clock
}

// String returns the gateway's host, the service, the tenant, and the names of the
// header fields and parameters.
func (c Config) String() string {
	host := "?"
	if base, err := url.Parse(c.BaseURL); err == nil {
		host = base.Host // without a user's password, which New refuses only later
	}
	return fmt.Sprintf("ags.Config{host %q, AuthServiceID: %q, TenantID: %q, Dialect: %q, Header: %q, Parameters: %v}",
		host, c.AuthServiceID, c.TenantID, c.Dialect, slices.Sorted(maps.Keys(c.Header)), c.Parameters)
}

// GoString returns the same text as String.
func (c Config) GoString() string { return c.String() }

// Format writes the text of String for every verb.
func (c Config) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, c.String()) }

// MarshalText returns the text of String and a nil error.
func (c Config) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// Retry limits the retries of a call. The waits start at Min and double up to Cap,
// each multiplied by a random factor between 3/4 and 5/4. If the gateway sends
// Retry-After, the wait is at least that long, up to 5 minutes. A call does not
// start a wait that would outlast its context; it then returns its last error.
//
// The calls of [Client] document which failures they retry.
type Retry struct {
	// Max is the maximum number of retries. Zero means 3; negative means none.
	Max int
	// Min is the first wait. Zero means 250 ms, or Cap if that is less.
	Min time.Duration
	// Cap is the maximum wait. Zero means 5 s, or Min if that is more.
	Cap time.Duration
}

// Defaults of the zero values of Retry.
const (
	defaultRetryMax   = 3
	defaultFirstDelay = 250 * time.Millisecond
	defaultMaxDelay   = 5 * time.Second
)

// withDefaults returns r with its zero values replaced by their defaults.
func (r Retry) withDefaults() (Retry, error) {
	if r.Min < 0 || r.Cap < 0 {
		return Retry{}, errors.New("ags: config: Retry has a negative wait")
	}
	switch {
	case r.Min == 0 && r.Cap == 0:
		r.Min, r.Cap = defaultFirstDelay, defaultMaxDelay
	case r.Min == 0:
		r.Min = min(defaultFirstDelay, r.Cap)
	case r.Cap == 0:
		r.Cap = max(defaultMaxDelay, r.Min)
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
