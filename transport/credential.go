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
func (t *Transport) credentialOf(token *oauth2.Token) *credential {
	c := t.cached.Load()
	if c != nil && c.accessToken == token.AccessToken && c.tokenType == token.TokenType {
		return c
	}
	c = &credential{
		accessToken: token.AccessToken,
		tokenType:   token.TokenType,
		value:       token.Type() + " " + token.AccessToken,
	}
	t.cached.Store(c)
	return c
}

// invalidate reports a rejected token to the source.
func (t *Transport) invalidate(c *credential) {
	if source, ok := t.Source.(invalidator); ok {
		source.Invalidate(c.accessToken)
	}
}
