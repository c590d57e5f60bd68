package ags

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// Dialect is the form of the calls that obtain tokens. Deployments differ in it: many
// public clients sign on through the gateway but refresh through IAS, the platform's
// sister service, and some use IAS alone. IAS has no public documentation. What this
// package knows of it is what those clients send and receive.
type Dialect string

const (
	// AGS is the gateway's API as the platform's documentation has it.
	AGS Dialect = ""

	// IASv3 refreshes through IAS: POST /ias/v3/token/actions/refresh with the refresh
	// token as a Bearer token, and without a body, a Content-Type and an
	// X-Auth-Service-Id. This is what a public client of an operator sends. Another
	// one sends the body {}: use the dialect AGS with [Config.OmitParameters] and
	// [Paths] for that. All other calls are those of AGS.
	IASv3 Dialect = "ias-v3"

	// IASv2 signs on and refreshes through the older version of IAS, as the public
	// clients of a sports platform do: POST /ias/v2/token with the grant in the query,
	// the tenant in a field "tenantid", and a body that describes the device. SignOn
	// has the grant_type password, and its Parameters follow in the query; they are
	// usually username and password. Refresh has the grant_type refresh_token, and
	// sends no parameters. See [Config.DeviceInformation] for the body. No client is
	// known that sends a client identifier, so that of a [SignOnRequest] is ignored.
	//
	// The other calls are not known, and fail with an error that Is
	// [errors.ErrUnsupported], unless [Paths] has a path for them. They then have the
	// form of AGS.
	//
	// The public clients take every response without an access_token as a refusal,
	// whatever its status. See [Error.Refusal] for how far this package follows them.
	//
	// Secrets in a query are easily written to logs: by the servers and proxies on
	// the way, and by a transport of [Config.HTTPClient] that logs or traces the URLs
	// of its requests. This package keeps them out of all that it returns.
	IASv2 Dialect = "ias-v2"
)

// The parameters of an IASv2 query (RFC 6749, sections 4.3.2 and 6).
const (
	grantTypeParameter    = "grant_type"
	refreshTokenParameter = "refresh_token"
)

// check returns an error if the dialect is unknown, or a field of cfg is not for it.
func (d Dialect) check(cfg Config) error {
	switch d {
	case AGS, IASv3:
		if cfg.DeviceInformation != nil {
			return errors.New("ags: config: DeviceInformation is for the dialect IASv2 only")
		}
		return nil
	case IASv2:
		if cfg.BareRefreshToken {
			return errors.New("ags: config: BareRefreshToken is not for the dialect IASv2")
		}
		return nil
	default:
		return fmt.Errorf("ags: config: the dialect %q is unknown", string(d))
	}
}

// unsupported returns the error of a call that the dialect does not have. It is an
// *Error of no class, so that nobody tries again.
func (d Dialect) unsupported(op string) error {
	text := "the dialect " + string(d) + " has no such call"
	return &Error{Op: op, NotSent: true, Err: &cause{text: text, errs: []error{errors.ErrUnsupported}}}
}

// bodilessRefreshCall returns the refresh of IASv3.
func (c *Client) bodilessRefreshCall(op, authorization string, t *Token) *call {
	s := c.settings()
	k := &call{op: op, method: http.MethodPost, url: s.urls.Refresh, header: s.header.Clone(), policy: retryLostOnce}
	k.header.Del("Content-Type")
	k.header.Del("X-Auth-Service-Id")
	k.authorize(authorization, t)
	return k
}

// passwordGrantCall returns the sign-on of IASv2.
func (c *Client) passwordGrantCall(op string, r SignOnRequest) (*call, error) {
	parameters, err := c.parametersOf(r)
	if err != nil {
		return nil, argumentError(op, err)
	}
	body := c.settings().deviceBody
	if len(r.DeviceInformation) > 0 {
		if body, err = deviceBody(r.DeviceInformation); err != nil {
			return nil, argumentError(op, err)
		}
	}
	query, err := grantQuery("password", parameters)
	if err != nil {
		return nil, argumentError(op, err)
	}
	return c.grantCall(op, c.settings().urls.SignOn, query, body, parameters, retryUnsent), nil
}

// refreshGrantCall returns the refresh of IASv2.
func (c *Client) refreshGrantCall(op string, t *Token) *call {
	parameters := []requestParameter{{Name: refreshTokenParameter, Value: t.RefreshToken.Reveal()}}
	query := grantTypeParameter + "=" + refreshTokenParameter + "&" + queryPair(parameters[0])
	k := c.grantCall(op, c.settings().urls.Refresh, query, c.settings().deviceBody, parameters, retryLostOnce)
	k.secrets = append(k.secrets, t.AccessToken.Reveal())
	return k
}

// grantCall returns a call of IASv2 with a grant in the query.
func (c *Client) grantCall(op, endpoint, query string, body []byte, parameters []requestParameter, policy retryPolicy) *call {
	s := c.settings()
	k := &call{
		op: op, method: http.MethodPost, url: endpoint + "?" + query, header: s.header.Clone(), body: body, policy: policy,
		refusals: true,
	}
	k.header.Del("Nv-Tenant-Id")
	k.header.Del("X-Auth-Service-Id")
	k.header.Set("Tenantid", s.tenant)
	k.header.Set("Content-Type", mediaTypeJSON)
	for _, p := range parameters {
		k.secrets = append(k.secrets, p.Value)
	}
	return k
}

// grantQuery returns the query of a grant with these parameters, in their order.
func grantQuery(grantType string, parameters []requestParameter) (string, error) {
	pairs := []string{grantTypeParameter + "=" + grantType}
	for _, p := range parameters {
		if p.Name == grantTypeParameter || p.Name == refreshTokenParameter {
			return "", fmt.Errorf("a parameter of a sign-on cannot be called %s", p.Name)
		}
		pairs = append(pairs, queryPair(p))
	}
	return strings.Join(pairs, "&"), nil
}

// queryPair returns a parameter as it is written in a query. A space is %20, which all
// servers decode.
func queryPair(p requestParameter) string {
	escape := func(s string) string { return strings.ReplaceAll(url.QueryEscape(s), "+", "%20") }
	return escape(p.Name) + "=" + escape(p.Value)
}

// deviceBody returns the body of an IASv2 call for a description of the device.
func deviceBody(information json.RawMessage) ([]byte, error) {
	if len(information) == 0 {
		return []byte("{}"), nil
	}
	var body bytes.Buffer
	if json.Compact(&body, information) != nil || body.Bytes()[0] != '{' {
		return nil, errors.New("DeviceInformation is not a JSON object")
	}
	return body.Bytes(), nil
}

// isRefusal reports whether the body of a response with this status, an object with
// this code and message and without an access_token, refuses a grant of IASv2.
//
// The statuses of its refusals are not known. An object without a code and a message
// may be anybody's. Of the statuses that the network's own servers like to send, a
// transient one says nothing about the grant, and 404 and 405 speak of the path; there
// the body must speak of the grant.
func isRefusal(status, code int, message string) bool {
	if code == 0 && strings.TrimSpace(message) == "" {
		return false
	}
	// The word is the one thing that a public client looks for in a refusal.
	if endsSessionAnywhere(code) || isBlocked(code) || strings.Contains(strings.ToLower(message), "unauthorized") {
		return true
	}
	return !isTransient(status) && status != http.StatusNotFound && status != http.StatusMethodNotAllowed
}
