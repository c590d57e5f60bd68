package ags

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/agsauth/agsauth/clock"
)

// Client calls the gateway. It keeps no session: each call is given what it needs.
// Make one with [New]. All methods may be called concurrently.
//
// Every call waits for the gateway's response, and between attempts on the
// configured clock. Each attempt ends after [Config.Timeout], and the call's
// context can end it earlier. The context's values are passed to the transport,
// except for the hooks of net/http/httptrace, which would see the tokens.
//
// A call that the gateway refuses, or that does not reach it, fails with an
// [*Error]. A call with invalid arguments, or one that the configured [Dialect] does
// not have, fails with an error of no class, and nothing is sent.
type Client struct {
	// A function, because the settings contain parameter values and printers that
	// use reflection do not follow functions.
	settings func() *settings
}

// settings are the checked values of a Config. They are immutable.
type settings struct {
	connections connections
	clock       clock.Clock
	urls        Paths // complete URLs in place of the paths
	header      http.Header
	service     string
	tenant      string
	dialect     Dialect
	deviceBody  []byte // for IASv2
	parameters  []requestParameter
	secrets     []string      // values of header and parameters that must not appear in errors
	timeout     time.Duration // of an attempt
	retry       Retry
	random      func() float64 // in [0,1); safe for concurrent use

	bareRefreshToken bool
	omitParameters   bool
}

// New returns a client for the gateway of cfg. It makes no call. The error says
// what is wrong with cfg.
func New(cfg Config) (*Client, error) {
	base, err := parseBaseURL(cfg.BaseURL, cfg.AllowInsecure)
	if err != nil {
		return nil, err
	}
	if err := cfg.Dialect.check(cfg); err != nil {
		return nil, err
	}
	device, err := deviceBody(cfg.DeviceInformation)
	if err != nil {
		return nil, fmt.Errorf("ags: config: %w", err)
	}
	urls, err := cfg.Paths.resolve(base, cfg.Dialect)
	if err != nil {
		return nil, err
	}
	header, err := requestHeader(cfg)
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
		connections: newConnections(cfg.HTTPClient, cfg.KeepHTTP1Connections), clock: cfg.Clock, urls: urls, header: header, service: cfg.AuthServiceID,
		tenant: cfg.TenantID, dialect: cfg.Dialect, deviceBody: device,
		parameters: parameters, secrets: secretValues(cfg.Header), timeout: cmp.Or(cfg.Timeout, defaultTimeout),
		retry: retry, random: rand.Float64,
		bareRefreshToken: cfg.BareRefreshToken, omitParameters: cfg.OmitParameters,
	}
	for _, p := range parameters {
		s.secrets = append(s.secrets, p.Value)
	}
	if s.clock == nil {
		s.clock = clock.Real{}
	}
	return &Client{func() *settings { return &s }}, nil
}

// String returns the client's type, without its settings.
func (c *Client) String() string { return "ags.Client" }

// GoString returns the same text as String.
func (c *Client) GoString() string { return c.String() }

// CloseIdleConnections closes the kept connections that no call uses. The Client can
// still be used. Without it, idle connections are closed after 90 seconds, or after the
// IdleConnTimeout of the transport in [Config.HTTPClient].
//
// It does not close connections that other users of that transport may share: see
// [Config.HTTPClient].
func (c *Client) CloseIdleConnections() { c.settings().connections.closeIdle() }

// Discover returns the sign-on services of the gateway. It does not need an
// AuthServiceID. A gateway without services answers 404, which is an [*Error] with
// that Status. If discovery requires a token, configure a separate Client with a
// "token" field in [Config.Header].
//
// Discover retries all transient failures: no response, a 408, 425 or 429, a 5xx.
func (c *Client) Discover(ctx context.Context) (*Discovery, error) {
	const op = "discover"
	s := c.settings()
	if s.urls.Discovery == "" {
		return nil, s.dialect.unsupported(op)
	}
	k := &call{op: op, method: http.MethodGet, url: s.urls.Discovery, header: s.header.Clone(), policy: retryTransient}
	return send(ctx, c, k, readDiscovery)
}

// SignOn signs on with a user's credentials. If several accounts match, the error
// is an [*AccountChoiceError].
//
// Because each sign-on may register a device, SignOn retries only a request that
// was never written, and one that was answered with a 429 or with the gateway's own
// 503.
func (c *Client) SignOn(ctx context.Context, r SignOnRequest) (*Token, error) {
	const op = "sign on"
	if c.settings().dialect == IASv2 {
		k, err := c.passwordGrantCall(op, r)
		if err != nil {
			return nil, err
		}
		return send(ctx, c, k, func(resp *response) (*Token, error) { return readToken(resp, nil) })
	}
	k, err := c.signOnCall(op, c.settings().urls.SignOn, r)
	if err != nil {
		return nil, err
	}
	return send(ctx, c, k, readSignOn)
}

// SubsequentSignOn signs on to the account that was chosen after an
// [*AccountChoiceError]. userToken is that error's, or the chosen [Account]'s. The
// platform's documentation lists Parameters alone for this call; a ClientID or
// DeviceInformation of r is sent as well.
//
// It is retried as [Client.SignOn] is.
func (c *Client) SubsequentSignOn(ctx context.Context, userToken Secret, r SignOnRequest) (*Token, error) {
	const op = "subsequent sign on"
	token := userToken.Reveal()
	if !isCredential(token) {
		return nil, argumentError(op, errors.New("the user token is empty or invalid"))
	}
	k, err := c.signOnCall(op, c.settings().urls.SubsequentSignOn, r)
	if err != nil {
		return nil, err
	}
	k.header.Set("User-Token", token)
	k.secrets = append(k.secrets, token)
	return send(ctx, c, k, func(resp *response) (*Token, error) { return readToken(resp, nil) })
}

// SessionToken returns a token that a device can sign on with. An operator's
// head-end calls it for a user it knows. Nil parameters mean those of
// [Config.Parameters].
//
// It is retried as [Client.SignOn] is.
func (c *Client) SessionToken(ctx context.Context, parameters []Parameter) (Secret, error) {
	k, err := c.signOnCall("session token", c.settings().urls.SessionToken, SignOnRequest{Parameters: parameters})
	if err != nil {
		return Secret{}, err
	}
	return send(ctx, c, k, readSessionToken)
}

// SignOnWithSessionToken signs on with a session token, the value of the parameter
// "sessionToken". If several accounts match, the error is an
// [*AccountChoiceError].
//
// It is retried as [Client.SignOn] is.
func (c *Client) SignOnWithSessionToken(ctx context.Context, r SignOnRequest) (*Token, error) {
	k, err := c.signOnCall("sign on with session token", c.settings().urls.SignOnWithSessionToken, r)
	if err != nil {
		return nil, err
	}
	return send(ctx, c, k, readSignOn)
}

// Refresh exchanges t's refresh token for new tokens. It does not change t. Values
// that the response omits are copied from t: the client and account identifiers;
// FixedExpiresAt, if it is in the future; and the refresh token, with
// RefreshExpiresAt if that is in the future.
//
// The refresh token may be valid for one use only. Refresh retries all transient
// failures, but a lost response only once and without delay, because the gateway
// may have used the token already. An error after a lost response, or after one
// with NotFromGateway, has OutcomeUnknown.
func (c *Client) Refresh(ctx context.Context, t *Token) (*Token, error) {
	const op = "refresh"
	if t == nil || !isCredential(t.RefreshToken.Reveal()) {
		return nil, argumentError(op, errors.New("the refresh token is empty or invalid"))
	}
	k, err := c.refreshCall(op, t)
	if err != nil {
		return nil, err
	}
	return send(ctx, c, k, func(resp *response) (*Token, error) { return readToken(resp, t) })
}

// SignOut ends the session that t's access token belongs to. It is retried as
// [Client.Refresh] is.
func (c *Client) SignOut(ctx context.Context, t *Token) error {
	const op = "sign out"
	if t == nil || !isCredential(t.AccessToken.Reveal()) {
		return argumentError(op, errors.New("the access token is empty or invalid"))
	}
	k, err := c.tokenCall(op, c.settings().urls.SignOut, "Bearer "+t.AccessToken.Reveal(), t)
	if err != nil {
		return err
	}
	_, err = send(ctx, c, k, readSignOut)
	return err
}
