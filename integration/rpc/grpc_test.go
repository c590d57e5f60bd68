package rpc_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/oauth"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/agsauth/agsauth/grpcagsauth"
	"github.com/agsauth/agsauth/integration/internal/harness"
)

// Limits of credentials/oauth.
const (
	looksAtNoStatus = "credentials do not see the status of a call"
	hasNoContext    = "it calls Token without a context"
	losesType       = "grpc formats the error of credentials with %v"
	keepsLittle     = "the bridge keeps 64 KiB of what was sent"
)

var grpcClients = []harness.Client{
	{
		Name: "grpc with credentials/oauth",
		Open: overGRPC(callUnary, withOAuth),
		Limits: map[harness.Check]string{
			harness.Replaced: looksAtNoStatus,
			harness.Post:     looksAtNoStatus,
			harness.End:      losesType,
			harness.Deadline: hasNoContext,
		},
	},
	{Name: "grpc unary", Open: overGRPC(callUnary, withBridge)},
	{Name: "grpc unary with a retry policy", Open: overGRPC(callUnary, withBridge, withRetries(codes.Unavailable))},
	{Name: "grpc server stream", Open: overGRPC(callDownload, withBridge)},
	{
		Name:   "grpc client stream",
		Open:   overGRPC(callUpload, withBridge),
		Limits: map[harness.Check]string{harness.Post: keepsLittle},
	},
	{Name: "grpc bidirectional stream", Open: overGRPC(callChat, withBridge)},
}

func withBridge(e *harness.Env) []grpc.DialOption { return grpcagsauth.DialOptions(e.Source) }

func withOAuth(e *harness.Env) []grpc.DialOption {
	return []grpc.DialOption{grpc.WithPerRPCCredentials(oauth.TokenSource{TokenSource: e.Source})}
}

// echo calls a method and returns an error if the body does not come back.
type echo func(ctx context.Context, conn grpc.ClientConnInterface, body []byte) error

// dialOptions are the options for a client that uses the Source of e.
type dialOptions func(e *harness.Env) []grpc.DialOption

// overGRPC opens a client for a server of grpc.
func overGRPC(call echo, options ...dialOptions) func(*testing.T, *harness.Env) harness.Calls {
	return func(t *testing.T, e *harness.Env) harness.Calls {
		t.Helper()
		var all []grpc.DialOption
		for _, o := range options {
			all = append(all, o(e)...)
		}
		conn := dial(t, e, nil, all...)
		return harness.Calls{
			Get:  func(ctx context.Context) error { return call(ctx, conn, []byte("hello")) },
			Post: func(ctx context.Context, body []byte) error { return call(ctx, conn, body) },
		}
	}
}

// dial starts a server that e protects, and returns a connection to it.
func dial(t *testing.T, e *harness.Env, serverOptions []grpc.ServerOption, options ...grpc.DialOption) *grpc.ClientConn {
	t.Helper()
	grpcLog.Store(e.Log)
	cert, roots := certificate(t)
	server := grpc.NewServer(slices.Concat(serverOptions, protected(e), []grpc.ServerOption{grpc.Creds(credentials.NewServerTLSFromCert(&cert))})...)
	server.RegisterService(&echoService, nil)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	t.Cleanup(func() {
		server.Stop()
		require.NoError(t, <-served)
	})
	conn, err := grpc.NewClient(listener.Addr().String(), append(options,
		grpc.WithTransportCredentials(credentials.NewClientTLSFromCert(roots, "")),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(messageLimit)),
	)...)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, conn.Close()) })
	return conn
}

// protected returns the options of a server that e protects.
func protected(e *harness.Env) []grpc.ServerOption {
	return []grpc.ServerOption{
		grpc.MaxRecvMsgSize(messageLimit),
		grpc.ChainUnaryInterceptor(func(ctx context.Context, req any, _ *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
			if err := accept(ctx, e); err != nil {
				return nil, err
			}
			return next(ctx, req)
		}),
		grpc.ChainStreamInterceptor(func(srv any, s grpc.ServerStream, _ *grpc.StreamServerInfo, next grpc.StreamHandler) error {
			if err := accept(s.Context(), e); err != nil {
				return err
			}
			return next(srv, s)
		}),
	}
}

func accept(ctx context.Context, e *harness.Env) error {
	md, _ := metadata.FromIncomingContext(ctx)
	if !e.Accepts(strings.Join(md.Get("authorization"), ",")) {
		return status.Error(codes.Unauthenticated, "the token is not valid")
	}
	return nil
}

// certificate returns a certificate for 127.0.0.1, and a pool that has it.
func certificate(tb testing.TB) (tls.Certificate, *x509.CertPool) {
	tb.Helper()
	srv := httptest.NewTLSServer(nil)
	defer srv.Close()
	roots := x509.NewCertPool()
	roots.AddCert(srv.Certificate())
	return srv.TLS.Certificates[0], roots
}
