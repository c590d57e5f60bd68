package grpcagsauth_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/agsauth/agsauth/agstest"
	"github.com/agsauth/agsauth/tokensource"
)

// retryOn returns a service config by which gRPC makes three attempts of each call that
// fails with a code of this list.
func retryOn(list string) grpc.DialOption {
	return grpc.WithDefaultServiceConfig(fmt.Sprintf(`{"methodConfig": [{"name": [{}], "retryPolicy": {
		"maxAttempts": 3, "initialBackoff": "0.001s", "maxBackoff": "0.001s", "backoffMultiplier": 1, "retryableStatusCodes": [%s]
	}}]}`, list))
}

// oneMessage are the kinds of calls in which the client sends one message. In others it
// depends on when the server ends a stream whether gRPC repeats it, and gRPC may lose why
// it has ended.
var oneMessage = []string{"unary", "server stream"}

func TestWithARetryPolicy(t *testing.T) {
	t.Parallel()
	unavailable := status.Error(codes.Unavailable, "the server restarts")
	for _, name := range oneMessage {
		call := kinds[name]
		for row, tt := range map[string]struct {
			retryable        string
			answers          []error
			calls, refreshes int
			want             error
		}{
			"unavailable, then rejected":        {`"UNAVAILABLE"`, []error{unavailable, unavailable, errRejected}, 4, 1, nil},
			"rejected, then unavailable":        {`"UNAVAILABLE"`, []error{errRejected, unavailable, unavailable}, 4, 1, nil},
			"three attempts before and after":   {`"UNAVAILABLE"`, []error{unavailable, unavailable, errRejected, unavailable, unavailable, unavailable}, 6, 1, unavailable},
			"rejections are repeated, too":      {`"UNAUTHENTICATED"`, []error{errRejected, errRejected, errRejected}, 4, 1, nil},
			"a rejection that goes away itself": {`"UNAUTHENTICATED"`, []error{errRejected}, 2, 0, nil},
		} {
			t.Run(name+"/"+row, func(t *testing.T) {
				t.Parallel()
				f := newFixture(t)
				f.api.answerNext(tt.answers...)
				err := call(t.Context(), f.dial(retryOn(tt.retryable)), 9)
				require.ErrorIs(t, err, tt.want)
				assert.Len(t, f.api.received(), tt.calls)
				assert.Equal(t, tt.refreshes, f.gateway.Count(agstest.Refresh))
			})
		}
	}
}

func TestNoTokenForNowWithARetryPolicy(t *testing.T) {
	t.Parallel()
	for name, call := range kinds {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			f.gateway.Always(agstest.Refresh, agstest.Fault{Status: 503})
			f.clock.Advance(accessLifetime)
			err := call(t.Context(), f.dial(retryOn(`"UNAVAILABLE"`)), 9)
			f.wantCode(codes.Unavailable, err)
			require.ErrorContains(t, err, "failed after 3 attempts")
			var unavailable *tokensource.UnavailableError
			require.ErrorAs(t, err, &unavailable)
		})
	}
}

func TestTheSessionEndsBetweenTwoAttemptsOfARetryPolicy(t *testing.T) {
	t.Parallel()
	for _, name := range oneMessage {
		call := kinds[name]
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			f.api.answerNext(status.Error(codes.Unavailable, "the server restarts"))
			f.api.beforeNext(func() { f.clock.Advance(30 * 24 * time.Hour) })
			f.wantCode(codes.Unauthenticated, call(t.Context(), f.dial(retryOn(`"UNAVAILABLE"`)), 9))
			assert.Len(t, f.api.received(), 1)
			assert.Empty(t, f.source.reported(), "no server has rejected a token")
		})
	}
}

func TestOwnAuthorizationIsLeftAlone(t *testing.T) {
	t.Parallel()
	for name, call := range kinds {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			own := metadata.AppendToOutgoingContext(t.Context(), "Authorization", "Bearer own")
			require.ErrorIs(t, call(own, f.dial(), 9), errRejected)
			assert.Equal(t, []string{"own"}, f.api.received())
			assert.Empty(t, f.source.reported())
			assert.Empty(t, f.source.tokens())
		})
	}
}

// ownCredentials are those of a caller for one call.
type ownCredentials map[string]string

func (c ownCredentials) GetRequestMetadata(context.Context, ...string) (map[string]string, error) {
	return c, nil
}
func (ownCredentials) RequireTransportSecurity() bool { return true }

func TestOwnCredentialsOfACallAreLeftAlone(t *testing.T) {
	t.Parallel()
	for name, call := range kinds {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			own := grpc.PerRPCCredentials(ownCredentials{"Authorization": "Bearer own"})
			require.ErrorIs(t, call(t.Context(), f.dial(), 9, own), errRejected)
			assert.Equal(t, []string{"own"}, f.api.received())
			assert.Empty(t, f.source.reported())
			require.NoError(t, call(t.Context(), f.dial(), 9, grpc.PerRPCCredentials(ownCredentials{"x-key": "k"})), "another kind")
			assert.Len(t, f.api.received(), 2)
		})
	}
}

// failingCredentials are credentials of someone else.
type failingCredentials struct{}

func (failingCredentials) GetRequestMetadata(context.Context, ...string) (map[string]string, error) {
	return nil, errors.New("no token of another kind")
}
func (failingCredentials) RequireTransportSecurity() bool { return true }

func TestTheFailureOfOtherCredentialsIsNoRejection(t *testing.T) {
	t.Parallel()
	for name, call := range kinds {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			client := f.dialThen(grpc.WithPerRPCCredentials(failingCredentials{}))
			err := call(t.Context(), client, 9)
			require.Equal(t, codes.Unauthenticated, status.Code(err))
			require.ErrorContains(t, err, "no token of another kind")
			assert.NotEmpty(t, f.source.tokens(), "ours came first")
			assert.Empty(t, f.source.reported())
			assert.Empty(t, f.api.received())
		})
	}
}

func TestManyCallersWhoseTokenIsRejected(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	client := f.dial()
	const callers = 40
	f.gateway.RejectToken(f.currentToken())
	f.api.waitFor(callers) // all of them with the first token
	var wg sync.WaitGroup
	for range callers / len(kinds) {
		for name, call := range kinds {
			wg.Go(func() { assert.NoError(t, call(t.Context(), client, 9), name) })
		}
	}
	wg.Wait()
	assert.Len(t, f.api.received(), 2*callers)
	assert.Len(t, f.source.reported(), callers)
	assert.Len(t, f.source.tokens(), 2)
	assert.Equal(t, 1, f.gateway.Count(agstest.Refresh))
}
