package apiclients_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"

	"github.com/agsauth/agsauth/ags"
	"github.com/agsauth/agsauth/tokensource"
	"github.com/agsauth/agsauth/transport"
)

// BenchmarkGitHub measures a call of go-github whose requests are answered in memory.
func BenchmarkGitHub(b *testing.B) {
	source := liveSource(b)
	for _, of := range []struct {
		name string
		rt   http.RoundTripper
	}{
		{"agsauth", &transport.Transport{Source: source, Base: roundTripperFunc(answerInMemory)}},
		{"oauth2", &oauth2.Transport{Source: source, Base: roundTripperFunc(answerInMemory)}},
		{"none", roundTripperFunc(answerInMemory)},
	} {
		client := newGitHub(b, &http.Client{Transport: of.rt}, "https://api.test")
		b.Run("of="+of.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if user, _, err := client.Users.Get(b.Context(), ""); err != nil || user.GetLogin() != "dave" {
					b.Fatal(user, err)
				}
			}
		})
	}
}

func answerInMemory(req *http.Request) (*http.Response, error) {
	return &http.Response{
		StatusCode: http.StatusOK, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(`{"login":"dave"}`)), Request: req,
	}, nil
}

// liveSource returns a source with a token that does not expire in a benchmark.
func liveSource(tb testing.TB) *tokensource.Source {
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
