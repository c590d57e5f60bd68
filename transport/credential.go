package transport

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/oauth2"
)

// Optional methods of Source.
type (
	contextTokenSource interface {
		TokenContext(ctx context.Context) (*oauth2.Token, error)
	}
	// An invalidator must ignore a token that is no longer current.
	invalidator interface {
		Invalidate(accessToken string)
	}
	// A contextInvalidator has a token for each user, and finds the user in the context.
	contextInvalidator interface {
		InvalidateContext(ctx context.Context, accessToken string)
	}
)

// credential is a token and its Authorization value. It is immutable.
type credential struct {
	accessToken, tokenType string
	value                  string
}

// credential gets a token from the source. If ctx has ended, the error is its
// cause, whatever the source returns.
func (t *Transport) credential(ctx context.Context) (*credential, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	token, err := t.token(ctx)
	switch {
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case err != nil:
		return nil, fmt.Errorf("transport: get token: %w", err)
	case token == nil || token.AccessToken == "":
		return nil, errors.New("transport: get token: the source returned an empty token")
	}
	return t.credentialOf(token), nil
}

func (t *Transport) token(ctx context.Context) (*oauth2.Token, error) {
	if source, ok := t.Source.(contextTokenSource); ok {
		return source.TokenContext(ctx)
	}
	return t.Source.Token()
}

// credentialOf returns the credential of token, from the cache if possible. It
// compares values and not pointers: a source may return a new copy each time, or
// change the token that it returned before.
//
// A source with InvalidateContext has many tokens, which would only displace each other
// in the cache, so it gets none.
func (t *Transport) credentialOf(token *oauth2.Token) *credential {
	if _, many := t.Source.(contextInvalidator); many {
		return newCredential(token)
	}
	c := t.cached.Load()
	if c != nil && c.accessToken == token.AccessToken && c.tokenType == token.TokenType {
		return c
	}
	c = newCredential(token)
	t.cached.Store(c)
	return c
}

func newCredential(token *oauth2.Token) *credential {
	return &credential{
		accessToken: token.AccessToken,
		tokenType:   token.TokenType,
		value:       token.Type() + " " + token.AccessToken,
	}
}

// invalidate reports a rejected token of a request with this context to the source.
func (t *Transport) invalidate(ctx context.Context, c *credential) {
	switch source := t.Source.(type) {
	case contextInvalidator:
		source.InvalidateContext(ctx, c.accessToken)
	case invalidator:
		source.Invalidate(c.accessToken)
	}
}
