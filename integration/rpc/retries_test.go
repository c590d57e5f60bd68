package rpc_test

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/agsauth/agsauth/agstest"
	"github.com/agsauth/agsauth/integration/internal/harness"
)

// withRetries has grpc repeat calls by itself.
func withRetries(code codes.Code) dialOptions {
	return func(*harness.Env) []grpc.DialOption {
		return []grpc.DialOption{grpc.WithDefaultServiceConfig(fmt.Sprintf(`{"methodConfig": [{"name": [{}], "retryPolicy": {
			"maxAttempts": 4, "initialBackoff": "0.001s", "maxBackoff": "0.001s", "backoffMultiplier": 1,
			"retryableStatusCodes": [%d]}}]}`, code))}
	}
}

// TestRetryPolicy checks that grpc retries the call with the next token, too.
func TestRetryPolicy(t *testing.T) {
	e := harness.NewEnv(t)
	var attempts atomic.Int32
	outage := grpc.ChainUnaryInterceptor(func(ctx context.Context, req any, _ *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
		if attempts.Add(1)%3 != 0 {
			return nil, status.Error(codes.Unavailable, "try again")
		}
		return next(ctx, req)
	})
	conn := dial(t, e, []grpc.ServerOption{outage}, slices.Concat(withBridge(e), withRetries(codes.Unavailable)(e))...)
	require.NoError(t, e.RejectCurrent(t.Context()))
	require.NoError(t, callUnary(t.Context(), conn, []byte("hello")))
	assert.EqualValues(t, 6, attempts.Load(), "two outages and the rejection, two outages and the success")
	assert.Equal(t, 2, e.Received())
	assert.Equal(t, 1, e.Gateway.Count(agstest.Refresh))
}

// TestRetryPolicyWithUnauthenticated checks what docs/clients.md warns of.
func TestRetryPolicyWithUnauthenticated(t *testing.T) {
	e := harness.NewEnv(t)
	conn := dial(t, e, nil, slices.Concat(withBridge(e), withRetries(codes.Unauthenticated)(e))...)
	require.NoError(t, e.RejectCurrent(t.Context()))
	require.NoError(t, callUnary(t.Context(), conn, []byte("hello")))
	assert.Equal(t, 5, e.Received(), "four attempts with the rejected token, and one with the next")
	assert.Equal(t, 1, e.Gateway.Count(agstest.Refresh))
}

// TestOpenStream checks that an open stream is left alone when its token ends.
func TestOpenStream(t *testing.T) {
	e := harness.NewEnv(t)
	conn := dial(t, e, nil, withBridge(e)...)
	s, err := conn.NewStream(t.Context(), &chatStream, chat)
	require.NoError(t, err)
	for range 3 {
		require.NoError(t, s.SendMsg(wrapperspb.Bytes([]byte("hello"))))
		require.NoError(t, s.RecvMsg(&wrapperspb.BytesValue{}))
		e.NextLife()
	}
	require.NoError(t, s.CloseSend())
	rest, err := receiveAll(s)
	require.NoError(t, err)
	assert.Empty(t, rest)
	assert.Equal(t, 1, e.Received())
	assert.Zero(t, e.Gateway.Count(agstest.Refresh))
}
