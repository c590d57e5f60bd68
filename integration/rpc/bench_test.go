package rpc_test

import (
	"context"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/oauth"
	"google.golang.org/grpc/test/bufconn"

	"github.com/agsauth/agsauth/ags"
	"github.com/agsauth/agsauth/grpcagsauth"
	"github.com/agsauth/agsauth/tokensource"
)

// benchToken has the length of a usual token.
var benchToken = strings.Repeat("0123456789abcdef", 64)

// BenchmarkGRPC measures a unary call over a connection in memory, with TLS, without which
// neither kind of credentials sends a token.
func BenchmarkGRPC(b *testing.B) {
	expiry := time.Now().Add(24 * time.Hour)
	source, err := tokensource.New(tokensource.Config{
		Refresher: noRefresh{}, Token: &ags.Token{AccessToken: ags.NewSecret(benchToken), IssuedAt: time.Now(), ExpiresAt: expiry},
	})
	require.NoError(b, err)
	b.Cleanup(func() { _ = source.Close() })
	cached := oauth2.ReuseTokenSource(&oauth2.Token{AccessToken: benchToken, Expiry: expiry}, nil)
	for _, bench := range []struct {
		of      string
		options []grpc.DialOption
	}{
		{"agsauth", grpcagsauth.DialOptions(source)},
		{"oauth2", []grpc.DialOption{grpc.WithPerRPCCredentials(oauth.TokenSource{TokenSource: cached})}},
		{"none", nil},
	} {
		b.Run("of="+bench.of, func(b *testing.B) {
			conn := dialMemory(b, bench.options)
			body := []byte("hello")
			require.NoError(b, callUnary(b.Context(), conn, body)) // connects
			b.ReportAllocs()
			for b.Loop() {
				if err := callUnary(b.Context(), conn, body); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

type noRefresh struct{}

// Refresh implements [tokensource.Refresher].
func (noRefresh) Refresh(context.Context, *ags.Token) (*ags.Token, error) {
	panic("the token lives for a day")
}

// dialMemory starts a server that accepts every call.
func dialMemory(b *testing.B, options []grpc.DialOption) *grpc.ClientConn {
	b.Helper()
	cert, roots := certificate(b)
	server := grpc.NewServer(grpc.Creds(credentials.NewServerTLSFromCert(&cert)))
	server.RegisterService(&echoService, nil)
	listener := bufconn.Listen(1 << 20)
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	b.Cleanup(func() {
		server.Stop()
		require.NoError(b, <-served)
	})
	conn, err := grpc.NewClient("passthrough:///example.com", append(options,
		grpc.WithTransportCredentials(credentials.NewClientTLSFromCert(roots, "example.com")),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return listener.DialContext(ctx) }),
	)...)
	require.NoError(b, err)
	b.Cleanup(func() { _ = conn.Close() })
	return conn
}
