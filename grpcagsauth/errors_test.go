package grpcagsauth_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/status"

	"github.com/agsauth/agsauth/agstest"
	"github.com/agsauth/agsauth/tokensource"
)

// wantCode asserts the status code of an error, and that its text has no token.
func (f *fixture) wantCode(code codes.Code, err error) {
	f.t.Helper()
	require.Error(f.t, err)
	assert.Equal(f.t, code, status.Code(err), "%v", err)
	assert.Contains(f.t, status.Convert(err).Message(), "get token: ", "%v", err)
	for token := range f.source.tokens() {
		assert.NotContains(f.t, err.Error(), token)
	}
}

func TestTheEndOfTheSessionIsFoundByErrorsAs(t *testing.T) {
	t.Parallel()
	forEachKind(t, func(f *fixture, call func(...grpc.CallOption) error) {
		require.NoError(f.t, call())
		f.clock.Advance(30 * 24 * time.Hour)
		err := call()
		f.wantCode(codes.Unauthenticated, err)
		var ended *tokensource.LoginRequiredError
		require.ErrorAs(f.t, err, &ended)
		assert.Equal(f.t, tokensource.FixedExpired, ended.Reason)
		assert.Len(f.t, f.api.received(), 1)
		assert.Empty(f.t, f.source.reported(), "no server has rejected a token")
	})
}

func TestTheEndOfTheSessionIsFoundAfterARejection(t *testing.T) {
	t.Parallel()
	forEachKind(t, func(f *fixture, call func(...grpc.CallOption) error) {
		require.NotZero(f.t, f.gateway.RevokeSessions())
		f.api.answerNext(errRejected)
		err := call()
		require.ErrorContains(f.t, err, "the token is not valid (no other token: grpcagsauth: get token: ")
		f.wantCode(codes.Unauthenticated, err)
		var ended *tokensource.LoginRequiredError
		require.ErrorAs(f.t, err, &ended)
		assert.Equal(f.t, tokensource.RefreshRejected, ended.Reason)
		assert.Len(f.t, f.api.received(), 1)
	})
}

func TestAClosedSource(t *testing.T) {
	t.Parallel()
	forEachKind(t, func(f *fixture, call func(...grpc.CallOption) error) {
		require.NoError(f.t, f.source.Close())
		err := call()
		f.wantCode(codes.Unauthenticated, err)
		require.ErrorIs(f.t, err, tokensource.ErrClosed)
	})
}

func TestNoTokenForNow(t *testing.T) {
	t.Parallel()
	forEachKind(t, func(f *fixture, call func(...grpc.CallOption) error) {
		f.gateway.Always(agstest.Refresh, agstest.Fault{Status: 503})
		f.clock.Advance(accessLifetime)
		err := call()
		f.wantCode(codes.Unavailable, err)
		var unavailable *tokensource.UnavailableError
		require.ErrorAs(f.t, err, &unavailable)

		f.gateway.Clear(agstest.Refresh)
		f.clock.Advance(time.Minute)
		require.NoError(f.t, call())
		assert.Len(f.t, f.api.received(), 1)
	})
}

func TestARejectedTokenThatIsServedAgain(t *testing.T) {
	t.Parallel()
	forEachKind(t, func(f *fixture, call func(...grpc.CallOption) error) {
		f.gateway.Always(agstest.Refresh, agstest.Fault{Status: 503})
		f.api.answerNext(errRejected)
		require.ErrorIs(f.t, call(), errRejected)
		assert.Len(f.t, f.api.received(), 1, "the same token again would be of no use")
		assert.NotZero(f.t, f.gateway.Count(agstest.Refresh))
	})
}

// expiring is a context whose deadline passes when passed is closed.
type expiring struct {
	values
	passed chan struct{}
}

// values is the context that an expiring one has its values from.
type values interface{ context.Context }

func (e expiring) Done() <-chan struct{} { return e.passed }

func (e expiring) Err() error {
	select {
	case <-e.passed:
		return context.DeadlineExceeded
	default:
		return nil
	}
}

func TestTheContextEndsTheWaitForAToken(t *testing.T) {
	t.Parallel()
	for name, call := range kinds {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			client := f.dial()
			require.NoError(t, call(t.Context(), client, 9)) // connects
			release := f.gateway.Hold(agstest.Refresh)
			defer release()
			f.clock.Advance(accessLifetime)

			limited := expiring{t.Context(), make(chan struct{})}
			f.source.onAsk(func() { close(limited.passed) })
			err := call(limited, client, 9)
			f.wantCode(codes.DeadlineExceeded, err)
			require.ErrorIs(t, err, context.DeadlineExceeded)

			cancelled, cancel := context.WithCancel(t.Context())
			defer cancel()
			f.source.onAsk(cancel)
			err = call(cancelled, client, 9)
			f.wantCode(codes.Canceled, err)
			require.ErrorIs(t, err, context.Canceled)
			assert.Len(t, f.api.received(), 1)

			release()
			require.NoError(t, call(t.Context(), client, 9))
		})
	}
}

func TestTheContextEndsTheWaitForAnotherToken(t *testing.T) {
	t.Parallel()
	for name, call := range kinds {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			client := f.dial()
			release := f.gateway.Hold(agstest.Refresh)
			defer release()
			f.api.answerNext(errRejected)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			go func() {
				assert.NoError(t, f.gateway.Wait(t.Context(), agstest.Refresh, 1))
				cancel()
			}()
			f.wantCode(codes.Canceled, call(ctx, client, 9))
			assert.Len(t, f.api.received(), 1)
		})
	}
}

// brokenSource returns tokens that cannot be sent.
type brokenSource struct {
	token *oauth2.Token
	err   error
}

func (s brokenSource) TokenContext(context.Context) (*oauth2.Token, error) { return s.token, s.err }
func (brokenSource) Invalidate(string)                                     { panic("nothing was sent") }

func TestASourceThatReturnsNoUsableToken(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	broken := errors.New("broken")
	for name, tt := range map[string]struct {
		source brokenSource
		want   string
		code   codes.Code
	}{
		"none":        {brokenSource{}, "get token: the source returned an empty token", codes.Internal},
		"empty":       {brokenSource{token: &oauth2.Token{}}, "get token: the source returned an empty token", codes.Internal},
		"other error": {brokenSource{err: broken}, "get token: broken", codes.Unavailable},
		"not a value": {brokenSource{token: &oauth2.Token{AccessToken: "a\nsecret"}}, "non-printable", codes.Internal},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := f.dialWith(tt.source).UnaryCall(t.Context(), &grpc_testing.SimpleRequest{})
			require.ErrorContains(t, err, tt.want)
			assert.NotContains(t, err.Error(), "secret")
			assert.Equal(t, tt.code, status.Code(err))
		})
	}
	assert.Empty(t, f.api.received())
	_, err := f.dial().UnaryCall(t.Context(), &grpc_testing.SimpleRequest{})
	require.NoError(t, err)
}
