package ags

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
)

// call is a call of the gateway that has not been sent.
type call struct {
	op      string // see [Error.Op]
	method  string
	url     string
	header  http.Header
	body    []byte // nil for none
	secrets []string
	policy  retryPolicy
	// refusals is set if a JSON object without an access_token refuses what the call
	// asks for: see [Error.Refusal].
	refusals bool
}

// authorize adds one of t's tokens, with its scheme, as the Authorization.
func (k *call) authorize(authorization string, t *Token) {
	k.header.Set("Authorization", authorization)
	k.secrets = append(k.secrets, t.AccessToken.Reveal(), t.RefreshToken.Reveal())
}

// argumentError returns the error of a call that was not sent.
func argumentError(op string, err error) error { return fmt.Errorf("ags: %s: %w", op, err) }

// signOnCall returns a call with a user's credentials.
func (c *Client) signOnCall(op, url string, r SignOnRequest) (*call, error) {
	parameters, err := c.parametersOf(r)
	if err != nil {
		return nil, argumentError(op, err)
	}
	body := requestBody{Parameters: parameters, ClientID: r.ClientID}
	if r.ClientID == "" {
		body.DeviceInformation = r.DeviceInformation
	}
	return c.post(op, url, body, retryUnsent)
}

// parametersOf returns the parameters of r, or the configured ones.
func (c *Client) parametersOf(r SignOnRequest) ([]requestParameter, error) {
	if r.Parameters == nil {
		return c.settings().parameters, nil
	}
	return encodeParameters(r.Parameters)
}

// refreshCall returns the refresh of the configured dialect.
func (c *Client) refreshCall(op string, t *Token) (*call, error) {
	s := c.settings()
	authorization := "Bearer " + t.RefreshToken.Reveal()
	if s.bareRefreshToken {
		authorization = t.RefreshToken.Reveal()
	}
	switch s.dialect {
	case IASv3:
		return c.bodilessRefreshCall(op, authorization, t), nil
	case IASv2:
		return c.refreshGrantCall(op, t), nil
	case AGS:
	}
	return c.tokenCall(op, s.urls.Refresh, authorization, t)
}

// tokenCall returns a call with one of t's tokens in Authorization.
func (c *Client) tokenCall(op, url, authorization string, t *Token) (*call, error) {
	var body requestBody
	if !c.settings().omitParameters {
		body.Parameters = c.settings().parameters
	}
	k, err := c.post(op, url, body, retryLostOnce)
	if err != nil {
		return nil, err
	}
	k.authorize(authorization, t)
	return k, nil
}

// post returns a call with a body.
func (c *Client) post(op, url string, body requestBody, policy retryPolicy) (*call, error) {
	if url == "" {
		return nil, c.settings().dialect.unsupported(op)
	}
	if c.settings().service == "" {
		return nil, argumentError(op, errors.New("no AuthServiceID is configured"))
	}
	encoded, err := body.encode()
	if err != nil {
		return nil, argumentError(op, err)
	}
	k := &call{op: op, method: http.MethodPost, url: url, header: c.settings().header.Clone(), body: encoded, policy: policy}
	k.header.Set("X-Auth-Service-Id", c.settings().service)
	k.header.Set("Content-Type", mediaTypeJSON)
	for _, p := range body.Parameters {
		k.secrets = append(k.secrets, p.Value)
	}
	return k, nil
}

// send makes a call with its retries. It passes read every response with a status
// below 400, also a truncated one: read returns an error if it needs the body.
func send[T any](ctx context.Context, c *Client, k *call, read func(*response) (T, error)) (T, error) {
	s := c.settings()
	var result T
	x := exchange{
		settings: s, call: k, correlationID: correlationID(ctx), retriesLeft: s.retry.Max,
		redactor: redactor{slices.Concat(k.secrets, s.secrets)},
		read: func(resp *response) (err error) {
			result, err = read(resp)
			return err
		},
	}
	if isWithoutRetry(ctx) {
		x.retriesLeft = 0
	}
	if err := x.run(ctx); err != nil {
		var zero T
		return zero, err
	}
	return result, nil
}
