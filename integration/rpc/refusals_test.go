package rpc_test

import (
	"context"
	"errors"
	"net/http"
	"testing"

	"connectrpc.com/connect"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/agsauth/agsauth/agstest"
	"github.com/agsauth/agsauth/integration/internal/harness"
	"github.com/agsauth/agsauth/transport"
)

const refusal = "no such profile"

// TestRefusals checks that an error of the call itself arrives as the server has sent it,
// although it was examined, and that it costs no token.
func TestRefusals(t *testing.T) {
	protocols := map[string][]connect.ClientOption{
		"Connect": nil, "gRPC": {connect.WithGRPC()}, "gRPC-Web": {connect.WithGRPCWeb()},
	}
	for name, options := range protocols {
		t.Run("connect-go server, "+name, func(t *testing.T) { checkRefusals(t, refusing(), options) })
	}
	t.Run("grpc server, gRPC", func(t *testing.T) { checkRefusals(t, refusingGRPC(t), protocols["gRPC"]) })
}

func checkRefusals(t *testing.T, server http.Handler, options []connect.ClientOption) {
	t.Helper()
	e := harness.NewEnv(t)
	srv := startHTTP2(t, e, e.Protect(server))
	client := &http.Client{Transport: &transport.Transport{
		Source: e.Source, Base: srv.Client().Transport, IsRejection: transport.RejectionGRPC,
	}}
	for _, call := range []connectEcho{connectUnary, connectDownload} {
		err := call(t.Context(), client, srv.URL, []byte("hello"), options...)
		var refused *connect.Error
		require.ErrorAs(t, err, &refused)
		assert.Equal(t, connect.CodeNotFound, refused.Code())
		assert.Equal(t, refusal, refused.Message())
		assert.Equal(t, "7", refused.Meta().Get("X-Request"))
	}
	assert.Equal(t, 2, e.Received())
	assert.Zero(t, e.Gateway.Count(agstest.Refresh))
}

// refusing is a server of connect that refuses every call.
func refusing() http.Handler {
	refused := func() error {
		err := connect.NewError(connect.CodeNotFound, errors.New(refusal))
		err.Meta().Set("X-Request", "7")
		return err
	}
	mux := http.NewServeMux()
	mux.Handle(unary, connect.NewUnaryHandler(unary,
		func(context.Context, *connect.Request[message]) (*connect.Response[message], error) {
			return nil, refused()
		}))
	mux.Handle(download, connect.NewServerStreamHandler(download,
		func(context.Context, *connect.Request[message], *connect.ServerStream[message]) error {
			return refused()
		}))
	return mux
}

// refusingGRPC is a server of grpc that refuses every call after its header.
func refusingGRPC(t *testing.T) http.Handler {
	t.Helper()
	server := grpc.NewServer(grpc.UnknownServiceHandler(func(_ any, s grpc.ServerStream) error {
		if err := s.SendHeader(metadata.Pairs("x-request", "7")); err != nil {
			return err
		}
		return status.Error(codes.NotFound, refusal)
	}))
	t.Cleanup(server.Stop)
	return server
}
