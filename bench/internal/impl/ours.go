package impl

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/agsauth/agsauth/ags"
	"github.com/agsauth/agsauth/tokensource"
	"github.com/agsauth/agsauth/transport"
)

type ours struct{ *tokensource.Source }

// refresher calls the same Fetch as the other libraries.
type refresher struct{ fetch Fetch }

func (r refresher) Refresh(ctx context.Context, t *ags.Token) (*ags.Token, error) {
	sentAt := time.Now()
	token, expires, err := r.fetch(ctx)
	if err != nil {
		return nil, &ags.Error{Op: "refresh", Status: http.StatusServiceUnavailable, Err: err}
	}
	return &ags.Token{
		AccessToken: ags.NewSecret(token), RefreshToken: t.RefreshToken, TokenType: "bearer",
		IssuedAt: sentAt, ExpiresAt: expires,
	}, nil
}

var errNoSession = errors.New("impl: no session")

func oursImplementation() Implementation {
	return Implementation{
		Name: OursName,
		New: func(s Setup) (Instance, error) {
			// The access token has expired, so the first call refreshes it.
			issuedAt := time.Now().Add(-time.Hour)
			src, err := tokensource.New(tokensource.Config{
				Refresher: refresher{s.Fetch}, RefreshBefore: s.Margin,
				Token: &ags.Token{
					AccessToken: ags.NewSecret("expired"), RefreshToken: ags.NewSecret("refresh"),
					IssuedAt: issuedAt, ExpiresAt: issuedAt.Add(time.Second),
				},
			})
			if err != nil {
				return nil, errors.Join(errNoSession, err)
			}
			return ours{src}, nil
		},
		Wrap: func(in Instance, base http.RoundTripper) Sender {
			return (&transport.Transport{Source: in.(ours).Source, Base: base}).RoundTrip
		},
	}
}

func (o ours) Get(ctx context.Context) (string, error) {
	t, err := o.TokenContext(ctx)
	if err != nil {
		return "", err
	}
	return t.AccessToken, nil
}

func (o ours) Loop(ctx context.Context, n int) {
	for range n {
		_, _ = o.TokenContext(ctx)
	}
}

// LoopCopy is Loop with Token, which returns a copy.
func (o ours) LoopCopy(_ context.Context, n int) {
	for range n {
		t, _ := o.Token()
		kept.Store(t)
	}
}

func (o ours) Close() { _ = o.Source.Close() }
