package pool

import (
	"context"
	"time"

	"golang.org/x/oauth2"

	"github.com/agsauth/agsauth/tokensource"
)

var _ oauth2.TokenSource = (*Keyed)(nil)

// keyKey is the key of the key in a context.
type keyKey struct{}

// WithKey returns a context with the key of a session, for [Keyed].
func WithKey(ctx context.Context, key string) context.Context {
	return context.WithValue(ctx, keyKey{}, key)
}

// Keyed is a source of tokens for one client that all sessions share. It takes the key of
// the session from the context, so that each request gets the token of its own session:
//
//	client := &http.Client{Transport: &transport.Transport{Source: pool.Keyed(), AllowHosts: hosts}}
//	req, err := http.NewRequestWithContext(pool.WithKey(ctx, key), …)
//
// All methods are safe for concurrent use.
type Keyed struct{ pool *Pool }

// Keyed returns a Keyed of the Pool.
func (p *Pool) Keyed() *Keyed { return &Keyed{p} }

// TokenContext is [Session.TokenContext] of the key in ctx. The error is [ErrNoKey] if
// there is none.
func (k *Keyed) TokenContext(ctx context.Context) (*oauth2.Token, error) {
	key, ok := ctx.Value(keyKey{}).(string)
	if !ok {
		return nil, ErrNoKey
	}
	if e := k.pool.find(key); e != nil {
		if src := e.live.Load(); src != nil {
			e.touch()
			t, err := src.TokenContext(ctx)
			if err == nil || !e.wasEvicted(src, err) {
				return t, err
			}
		}
	}
	return call(ctx, k.pool, key, nil, (*tokensource.Source).TokenContext)
}

// TokenValidFor is [Session.TokenValidFor] of the key in ctx. The error is [ErrNoKey] if
// there is none.
func (k *Keyed) TokenValidFor(ctx context.Context, d time.Duration) (*oauth2.Token, error) {
	key, ok := ctx.Value(keyKey{}).(string)
	if !ok {
		return nil, ErrNoKey
	}
	return k.pool.Session(key).TokenValidFor(ctx, d)
}

// Token returns [ErrNoKey], because it has no context.
func (*Keyed) Token() (*oauth2.Token, error) { return nil, ErrNoKey }

// InvalidateContext is [Session.Invalidate] of the key in ctx. Without one it does nothing.
func (k *Keyed) InvalidateContext(ctx context.Context, accessToken string) {
	if key, ok := ctx.Value(keyKey{}).(string); ok {
		k.pool.invalidate(key, accessToken)
	}
}

// Invalidate does nothing, because it has no context. It is there so that a Keyed is a
// transport.Source; package transport calls InvalidateContext.
func (*Keyed) Invalidate(string) {}
