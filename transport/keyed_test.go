package transport_test

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"

	"github.com/agsauth/agsauth/transport"
)

type userKey struct{}

func withUser(ctx context.Context, user string) context.Context {
	return context.WithValue(ctx, userKey{}, user)
}

// keyedSource has a token for each user, whom it finds in the context.
type keyedSource struct {
	t *testing.T

	mu          sync.Mutex // guards all below
	replaced    map[string]bool
	invalidated []string
}

func newKeyedSource(t *testing.T) *keyedSource {
	return &keyedSource{t: t, replaced: map[string]bool{}}
}

func (*keyedSource) Token() (*oauth2.Token, error) { return nil, errors.New("no user") }

func (s *keyedSource) TokenContext(ctx context.Context) (*oauth2.Token, error) {
	user, ok := ctx.Value(userKey{}).(string)
	if !ok {
		return s.Token()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.replaced[user] {
		return &oauth2.Token{AccessToken: user + "-2"}, nil
	}
	return &oauth2.Token{AccessToken: user + "-1"}, nil
}

func (s *keyedSource) Invalidate(string) {
	assert.Fail(s.t, "Invalidate was called, and not InvalidateContext")
}

func (s *keyedSource) InvalidateContext(ctx context.Context, accessToken string) {
	user, _ := ctx.Value(userKey{}).(string)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.invalidated = append(s.invalidated, user+" "+accessToken)
	s.replaced[user] = true
}

func TestKeyed_TheRejectedTokenIsReportedWithTheContextOfItsRequest(t *testing.T) {
	source := newKeyedSource(t)
	base := newBase(ok(), unauthorized(), ok(), ok())
	tr := &transport.Transport{Source: source, Base: base}
	for _, user := range []string{"ada", "bob", "ada"} {
		resp, err := get(t, urlAPI).withContext(withUser(t.Context(), user)).through(t, tr)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
	}
	base.assertTokens(t, "ada-1", "bob-1", "bob-2", "ada-1")
	assert.Equal(t, []string{"bob bob-1"}, source.invalidated)
}

func TestKeyed_WithHeaderReportsWithItsContext(t *testing.T) {
	source := newKeyedSource(t)
	var sent []string
	resp, err := transport.WithHeader(withUser(t.Context(), "ada"), source, func(header http.Header) (*http.Response, error) {
		sent = append(sent, header.Get("Authorization"))
		if len(sent) == 1 {
			return unauthorized().http(), nil
		}
		return ok().http(), nil
	})
	require.NoError(t, err)
	assert.NoError(t, resp.Body.Close())
	assert.Equal(t, []string{"Bearer ada-1", "Bearer ada-2"}, sent)
	assert.Equal(t, []string{"ada ada-1"}, source.invalidated)
}

// Requests of many users at once, each of whose first token is rejected: nobody ever
// sends a token of somebody else.
func TestKeyed_NoUserSendsTheTokenOfAnother(t *testing.T) {
	source := newKeyedSource(t)
	var mu sync.Mutex
	var wrong []string
	tr := &transport.Transport{Source: source, Base: baseFunc(func(req *http.Request) (*http.Response, error) {
		user, _ := req.Context().Value(userKey{}).(string)
		switch sent := req.Header.Get("Authorization"); sent {
		case "Bearer " + user + "-1":
			return unauthorized().http(), nil
		case "Bearer " + user + "-2":
			return ok().http(), nil
		default:
			mu.Lock()
			defer mu.Unlock()
			wrong = append(wrong, user+" sent "+sent)
			return ok().http(), nil
		}
	})}
	var wg sync.WaitGroup
	for _, user := range []string{"ada", "bob", "cy", "dee"} {
		wg.Go(func() {
			for range 100 {
				req, err := http.NewRequestWithContext(withUser(t.Context(), user), http.MethodGet, urlAPI, http.NoBody)
				if !assert.NoError(t, err) {
					return
				}
				resp, err := tr.RoundTrip(req)
				if assert.NoError(t, err) {
					assert.Equal(t, http.StatusOK, resp.StatusCode)
					assert.NoError(t, resp.Body.Close())
				}
			}
		})
	}
	wg.Wait()
	assert.Empty(t, wrong)
	slices.Sort(source.invalidated)
	assert.Equal(t, []string{"ada ada-1", "bob bob-1", "cy cy-1", "dee dee-1"}, slices.Compact(source.invalidated))
}
