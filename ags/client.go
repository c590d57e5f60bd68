package ags

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/agsauth/agsauth/clock"
)

// Client calls the gateway. It keeps no session: what it needs to know of one is
// given to each call. Make one with [New]; all its methods may be called
// concurrently.
//
// Every call waits for the gateway's answer, and between attempts on the
// configured clock. Each attempt ends after [Config.Timeout]; the call's context can
// end all of them earlier. The values of the context go along with the request, but
// not the hooks of net/http/httptrace, which would be shown the tokens.
//
// A call that the gateway refused, or that it could not be reached for, fails
// with an [*Error]. One that cannot be made at all, for a fault in what it was
// given, fails with an error of no class, and nothing is sent.
type Client struct {
	// A function, because the settings hold parameters: nothing that prints by
	// reflection follows one.
	settings func() *settings
}

// settings are what a Client was made with, checked and complete. They do not
// change.
type settings struct {
	base       http.RoundTripper
	clock      clock.Clock
	urls       Paths // the whole URL in the place of each path
	header     http.Header
	service    string
	parameters []requestParameter
	secrets    []string      // those among the configured header's values
	timeout    time.Duration // of an attempt
	retry      Retry
	random     func() float64 // safe for concurrent use
	bare       bool
	empty      bool
}

// String returns what the client is, and nothing of its settings.
func (c *Client) String() string { return "ags.Client" }

// GoString returns what String does.
func (c *Client) GoString() string { return c.String() }

// New returns a client for the gateway that cfg describes. It makes no call. The
// error says what is wrong with cfg.
func New(cfg Config) (*Client, error) {
	base, err := parseBase(cfg.BaseURL, cfg.AllowInsecure)
	if err != nil {
		return nil, err
	}
	urls, err := cfg.Paths.resolve(base)
	if err != nil {
		return nil, err
	}
	header, err := headerFor(cfg)
	if err != nil {
		return nil, err
	}
	retry, err := cfg.Retry.withDefaults()
	if err != nil {
		return nil, err
	}
	if cfg.Timeout < 0 {
		return nil, errors.New("ags: config: Timeout is negative")
	}
	parameters, err := encodeParameters(cfg.Parameters)
	if err != nil {
		return nil, fmt.Errorf("ags: config: %w", err)
	}
	s := settings{
		base: transportOf(cfg.HTTPClient), clock: cfg.Clock, urls: urls, header: header, service: cfg.AuthServiceID,
		parameters: parameters, secrets: secretValues(cfg.Header), retry: retry,
		timeout: cmp.Or(cfg.Timeout, defaultTimeout),
		random:  rand.Float64, bare: cfg.BareRefreshToken, empty: cfg.OmitParameters,
	}
	if s.clock == nil {
		s.clock = clock.Real{}
	}
	return &Client{func() *settings { return &s }}, nil
}

// transportOf returns the transport of a client, or one like the usual one.
func transportOf(c *http.Client) http.RoundTripper {
	if c != nil && c.Transport != nil {
		return c.Transport
	}
	return &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		DialContext:         newDialer().DialContext,
		ForceAttemptHTTP2:   true,
		TLSHandshakeTimeout: 10 * time.Second,
		IdleConnTimeout:     90 * time.Second,
		MaxIdleConns:        8, // one host, and calls far apart
	}
}

// SignOnRequest is what a sign-on says. The same one can serve for the first
// sign-on of a device and, with the ClientID filled in, for all later ones. It prints
// as its names alone, with the limits of [Parameter].
type SignOnRequest struct {
	// Parameters are what the operator's service wants to know. Nil means those
	// of [Config.Parameters]; others are sent instead of these, not besides.
	Parameters []Parameter
	// ClientID is the device's identity, from the [Token] of its first sign-on.
	ClientID string
	// DeviceInformation is a JSON document that describes a device not known yet.
	// It is left out where there is a ClientID: with it the gateway would register
	// another device, of which an account may have only a few.
	DeviceInformation json.RawMessage
}

// String returns the names of the parameters, and the ClientID.
func (r SignOnRequest) String() string {
	return fmt.Sprintf("ags.SignOnRequest{Parameters: %v, ClientID: %q}", r.Parameters, r.ClientID)
}

// GoString returns what String does.
func (r SignOnRequest) GoString() string { return r.String() }

// Format writes what String returns, whatever the verb.
func (r SignOnRequest) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, r.String()) }

// MarshalText returns what String does, and never an error.
func (r SignOnRequest) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// Discover asks which sign-on services there are. It needs no AuthServiceID. A
// gateway without services answers 404, which is an [*Error] with that Status.
//
// Where discovery wants a token of its own, in a header called "token", make a
// Client for it that has it in [Config.Header].
//
// Discover repeats all transient failures: no answer, a 408, 425 or 429, a 5xx.
func (c *Client) Discover(ctx context.Context) (*Discovery, error) {
	k := &call{
		op: "discover", method: http.MethodGet, url: c.settings().urls.Discovery,
		header: c.settings().header.Clone(), policy: retryTransient,
	}
	return send(ctx, c, k, readDiscovery)
}

// SignOn signs on with a user's credentials. Where several accounts match the
// error is an [*AccountChoiceError].
//
// SignOn repeats only a request that was never written, and one that was answered with
// a 429, or with a 503 of the gateway's own: each sign-on may register a device.
func (c *Client) SignOn(ctx context.Context, r SignOnRequest) (*Token, error) {
	k, err := c.signOnCall("sign on", c.settings().urls.SignOn, r)
	if err != nil {
		return nil, err
	}
	return send(ctx, c, k, readSignOn)
}

// SubsequentSignOn signs on to the one account that was chosen of several.
// userToken is that of the [*AccountChoiceError] or of the chosen [Account]. The
// gateway is documented to want Parameters alone here; a ClientID or
// DeviceInformation is sent if r has one.
//
// It is repeated as [Client.SignOn] is.
func (c *Client) SubsequentSignOn(ctx context.Context, userToken Secret, r SignOnRequest) (*Token, error) {
	const op = "subsequent sign on"
	token := userToken.Reveal()
	if !isCredential(token) {
		return nil, callError(op, errors.New("no user token that can be sent"))
	}
	k, err := c.signOnCall(op, c.settings().urls.SubsequentSignOn, r)
	if err != nil {
		return nil, err
	}
	k.header.Set("User-Token", token)
	k.secrets = append(k.secrets, token)
	return send(ctx, c, k, readSignedOn)
}

// SessionToken asks for a token that a device can sign on with: a call that an
// operator's head-end makes for a user it knows. Nil parameters mean those of
// [Config.Parameters].
//
// It is repeated as [Client.SignOn] is.
func (c *Client) SessionToken(ctx context.Context, parameters []Parameter) (Secret, error) {
	k, err := c.signOnCall("session token", c.settings().urls.SessionToken, SignOnRequest{Parameters: parameters})
	if err != nil {
		return Secret{}, err
	}
	return send(ctx, c, k, readSessionToken)
}

// SignOnWithSessionToken signs on with a session token, which is the value of the
// parameter "sessionToken". Where several accounts match the error is an
// [*AccountChoiceError].
//
// It is repeated as [Client.SignOn] is.
func (c *Client) SignOnWithSessionToken(ctx context.Context, r SignOnRequest) (*Token, error) {
	k, err := c.signOnCall("sign on with session token", c.settings().urls.SignOnWithSessionToken, r)
	if err != nil {
		return nil, err
	}
	return send(ctx, c, k, readSignOn)
}

// Refresh spends t's refresh token on a new pair. t is not changed, and what the
// answer does not tell but no refresh changes is taken over from it: the client
// and account identifiers; the fixed horizon, while it lies ahead; and, if no other
// is given, the refresh token itself, with its horizon while that lies ahead.
//
// The refresh token may be good for one use. Refresh repeats all transient failures;
// but it asks only once more, and at once, for an answer that was lost on the way: the
// gateway may have spent the token already. An error that follows a lost answer, or
// one that was not the gateway's, has OutcomeUnknown.
func (c *Client) Refresh(ctx context.Context, t *Token) (*Token, error) {
	const op = "refresh"
	if t == nil || !isCredential(t.RefreshToken.Reveal()) {
		return nil, callError(op, errors.New("no refresh token that can be sent"))
	}
	scheme := "Bearer "
	if c.settings().bare {
		scheme = ""
	}
	k, err := c.tokenCall(op, c.settings().urls.Refresh, scheme+t.RefreshToken.Reveal(), t)
	if err != nil {
		return nil, err
	}
	return send(ctx, c, k, func(a *answer) (*Token, error) { return readToken(a, t) })
}

// SignOut ends the session that t's access token belongs to. It is repeated as
// [Client.Refresh] is.
func (c *Client) SignOut(ctx context.Context, t *Token) error {
	const op = "sign out"
	if t == nil || !isCredential(t.AccessToken.Reveal()) {
		return callError(op, errors.New("no access token that can be sent"))
	}
	k, err := c.tokenCall(op, c.settings().urls.SignOut, "Bearer "+t.AccessToken.Reveal(), t)
	if err != nil {
		return err
	}
	_, err = send(ctx, c, k, readSignedOut)
	return err
}
