package transport

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/oauth2"
)

// What a source may be able to do beyond oauth2.TokenSource.
type (
	// contextSource can be asked for no longer than a context lasts.
	contextSource interface {
		TokenContext(ctx context.Context) (*oauth2.Token, error)
	}
	// invalidator can be told that a token was rejected. It is its business to
	// see whether that token is still the current one.
	invalidator interface {
		Invalidate(accessToken string)
	}
)

// credential is a token, and the header value made of it. It is never changed.
type credential struct {
	accessToken, tokenType string
	value                  string
}

// credential asks the source for a token. The error is the context's cause
// whenever the context is over, whatever the source said.
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
		return nil, errors.New("transport: get token: the source returned an empty one")
	}
	return t.credentialOf(token), nil
}

func (t *Transport) token(ctx context.Context) (*oauth2.Token, error) {
	if source, ok := t.Source.(contextSource); ok {
		return source.TokenContext(ctx)
	}
	return t.Source.Token()
}

// credentialOf returns the credential of token, the cached one if it is that. It
// compares what the tokens say and not where they are: a source may return the
// same one as a new copy each time, or change the one it has.
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
