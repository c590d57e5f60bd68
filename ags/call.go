package ags

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
)

// secretLength is from how many characters on a value is looked for within words.
// Shorter ones, a language or a device type, are parts of words that an honest
// message may have; and a configured header field's is not thought to be a secret
// at all.
const secretLength = 8

// callError is an error about a call that was not made.
func callError(op string, err error) error { return fmt.Errorf("ags: %s: %w", op, err) }

// secretValues returns the values of a configured header that are not to appear
// in errors.
func secretValues(h http.Header) []string {
	var secrets []string
	for _, values := range h {
		for _, v := range values {
			// Word by word too: a credential may be quoted without its scheme.
			for _, s := range append(strings.Fields(v), v) {
				if len(s) >= secretLength {
					secrets = append(secrets, s)
				}
			}
		}
	}
	return secrets
}

// signOnCall returns a call that names a user.
func (c *Client) signOnCall(op, url string, r SignOnRequest) (*call, error) {
	parameters := c.settings().parameters
	if r.Parameters != nil {
		var err error
		if parameters, err = encodeParameters(r.Parameters); err != nil {
			return nil, callError(op, err)
		}
	}
	body := requestBody{Parameters: parameters, ClientID: r.ClientID}
	if r.ClientID == "" {
		body.DeviceInformation = r.DeviceInformation
	}
	k, err := c.post(op, url, body)
	if err != nil {
		return nil, err
	}
	k.policy = retryUnsent
	return k, nil
}

// tokenCall returns a call that presents one of t's tokens.
func (c *Client) tokenCall(op, url, authorization string, t *Token) (*call, error) {
	var body requestBody
	if !c.settings().empty {
		body.Parameters = c.settings().parameters
	}
	k, err := c.post(op, url, body)
	if err != nil {
		return nil, err
	}
	k.header.Set("Authorization", authorization)
	k.policy = retryLostOnce
	for _, token := range []Secret{t.AccessToken, t.RefreshToken} {
		k.secrets = append(k.secrets, token.Reveal())
	}
	return k, nil
}

// post returns a call with a body.
func (c *Client) post(op, url string, body requestBody) (*call, error) {
	if c.settings().service == "" {
		return nil, callError(op, errors.New("no AuthServiceID is configured"))
	}
	encoded, err := body.encode()
	if err != nil {
		return nil, callError(op, err)
	}
	k := &call{op: op, method: http.MethodPost, url: url, header: c.settings().header.Clone(), body: encoded}
	k.header.Set("X-Auth-Service-Id", c.settings().service)
	k.header.Set("Content-Type", mediaTypeJSON)
	for _, p := range body.Parameters {
		k.secrets = append(k.secrets, p.Value)
	}
	return k, nil
}

// readSignedOn returns the token that a sign-on to one account is answered with.
func readSignedOn(a *answer) (*Token, error) { return readToken(a, nil) }

func readSessionToken(a *answer) (Secret, error) {
	if a.status != http.StatusOK && a.status != http.StatusCreated {
		return Secret{}, a.unexpected()
	}
	o, err := a.object()
	if err != nil {
		return Secret{}, err
	}
	token, err := o.text("sessionToken")
	if err == nil && token == "" {
		err = malformed("the answer has no sessionToken")
	}
	return NewSecret(token), err
}

// readSignedOut looks at the status alone: that is all there is to know, and
// holds also if what follows it is cut off.
func readSignedOut(a *answer) (struct{}, error) {
	if a.status/100 != 2 {
		return struct{}{}, a.unexpected()
	}
	return struct{}{}, nil
}
