package rpc_test

import (
	"testing"

	"connectrpc.com/connect"
	"github.com/stretchr/testify/assert"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/agsauth/agsauth/integration/internal/harness"
	"github.com/agsauth/agsauth/tokensource"
)

// TestEndIsFinal checks which codes the session's end has. Other errors with the same
// codes can be worth a retry.
func TestEndIsFinal(t *testing.T) {
	grpcEnd := endOf(t, overGRPC(callUnary, withBridge))
	assert.True(t, tokensource.IsFinal(grpcEnd), grpcEnd)
	assert.Equal(t, codes.Unauthenticated, status.Code(grpcEnd))

	connectEnd := endOf(t, startServer(startConnect).open(connectUnary))
	assert.True(t, tokensource.IsFinal(connectEnd), connectEnd)
	assert.Equal(t, connect.CodeUnavailable, connect.CodeOf(connectEnd))
}

// endOf returns the error of a call after the session's end.
func endOf(t *testing.T, open func(*testing.T, *harness.Env) harness.Calls) error {
	t.Helper()
	e := harness.NewEnv(t)
	calls := open(t, e)
	e.EndSession()
	return calls.Get(t.Context())
}
