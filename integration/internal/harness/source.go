package harness

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/ags"
	"github.com/agsauth/agsauth/tokensource"
)

// LiveSource returns a Source whose token does not expire in a benchmark.
func LiveSource(tb testing.TB) *tokensource.Source {
	tb.Helper()
	now := time.Now()
	source, err := tokensource.New(tokensource.Config{
		Refresher: neverRefresh{},
		Token: &ags.Token{
			AccessToken: ags.NewSecret("access"), RefreshToken: ags.NewSecret("refresh"), TokenType: "bearer",
			IssuedAt: now, ExpiresAt: now.Add(24 * time.Hour), RefreshExpiresAt: now.Add(48 * time.Hour), FixedExpiresAt: now.Add(720 * time.Hour),
		},
	})
	require.NoError(tb, err)
	tb.Cleanup(func() { _ = source.Close() })
	return source
}

type neverRefresh struct{}

// Refresh implements [tokensource.Refresher].
func (neverRefresh) Refresh(context.Context, *ags.Token) (*ags.Token, error) {
	return nil, errors.New("no refresh is due")
}
