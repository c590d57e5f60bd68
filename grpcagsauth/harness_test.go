package grpcagsauth_test

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/interop/grpc_testing"

	"github.com/agsauth/agsauth/ags"
	"github.com/agsauth/agsauth/agstest"
	"github.com/agsauth/agsauth/clock"
	"github.com/agsauth/agsauth/grpcagsauth"
	"github.com/agsauth/agsauth/internal/faultproxy"
	"github.com/agsauth/agsauth/tokensource"
)

// accessLifetime is the life of an access token.
const accessLifetime = time.Hour

// fixture is a session at a gateway, and a gRPC server over TLS whose callers need a token
// of that gateway.
type fixture struct {
	t       *testing.T
	clock   *clock.Fake
	gateway *agstest.Server
	source  *recordingSource
	api     *api
	addr    string
	client  *tls.Config
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	f := &fixture{t: t, clock: clock.NewFake(time.Date(2022, 6, 10, 15, 0, 0, 0, time.UTC))}
	f.gateway = agstest.NewServer(agstest.Config{Clock: f.clock, AccessLifetime: accessLifetime})
	t.Cleanup(f.gateway.Close)
	gateway, err := ags.New(ags.Config{
		BaseURL: f.gateway.URL, AuthServiceID: "Customer Auth Service", TenantID: "nagra",
		HTTPClient: f.gateway.Client(), Clock: f.clock, Retry: ags.Retry{Max: -1},
	})
	require.NoError(t, err)
	token, err := gateway.SignOn(t.Context(), ags.SignOnRequest{
		Parameters: []ags.Parameter{
			{Name: "username", Value: agstest.DefaultUsername}, {Name: "password", Value: agstest.DefaultPassword},
		},
		DeviceInformation: []byte(`{"deviceType":"STB"}`),
	})
	require.NoError(t, err)
	session, err := tokensource.New(tokensource.Config{
		Refresher: gateway, Token: token, Clock: f.clock, Rand: func() float64 { return 0 },
	})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, session.Close()) })
	f.source = &recordingSource{Source: session, handedOut: map[string]bool{}}
	f.api = &api{gateway: f.gateway}
	authority := faultproxy.NewAuthority(t)
	f.client = &tls.Config{RootCAs: authority.Pool(), MinVersion: tls.VersionTLS12}
	f.addr = f.serve(grpc.Creds(credentials.NewTLS(authority.Server(t, faultproxy.Leaf{}))))
	t.Cleanup(f.assertNoTokenLogged)
	return f
}

// serve starts a server of the API and returns its address.
func (f *fixture) serve(opts ...grpc.ServerOption) string {
	f.t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(f.t, err)
	server := grpc.NewServer(append(opts,
		grpc.MaxRecvMsgSize(8<<20), grpc.UnaryInterceptor(f.api.interceptUnary), grpc.StreamInterceptor(f.api.interceptStream),
	)...)
	grpc_testing.RegisterTestServiceServer(server, f.api)
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := server.Serve(listener); !errors.Is(err, grpc.ErrServerStopped) {
			assert.NoError(f.t, err)
		}
	}()
	f.t.Cleanup(func() {
		server.Stop()
		<-done
	})
	return listener.Addr().String()
}

// dial returns a client that is connected as the package's documentation says.
func (f *fixture) dial(opts ...grpc.DialOption) grpc_testing.TestServiceClient {
	f.t.Helper()
	return f.dialWith(f.source, opts...)
}

func (f *fixture) dialWith(source grpcagsauth.Source, opts ...grpc.DialOption) grpc_testing.TestServiceClient {
	f.t.Helper()
	opts = append(opts, grpc.WithTransportCredentials(credentials.NewTLS(f.client)))
	return f.dialTo(f.addr, append(opts, grpcagsauth.DialOptions(source)...)...)
}

// dialThen is dial with options that come after ours.
func (f *fixture) dialThen(opts ...grpc.DialOption) grpc_testing.TestServiceClient {
	f.t.Helper()
	opts = append(grpcagsauth.DialOptions(f.source), opts...)
	return f.dialTo(f.addr, append(opts, grpc.WithTransportCredentials(credentials.NewTLS(f.client)))...)
}

func (f *fixture) dialTo(addr string, opts ...grpc.DialOption) grpc_testing.TestServiceClient {
	f.t.Helper()
	conn, err := grpc.NewClient(addr, opts...)
	require.NoError(f.t, err)
	f.t.Cleanup(func() { require.NoError(f.t, conn.Close()) })
	return grpc_testing.NewTestServiceClient(conn)
}

// currentToken returns the token that the next call will be sent with.
func (f *fixture) currentToken() string {
	f.t.Helper()
	token, err := f.source.Source.TokenContext(f.t.Context())
	require.NoError(f.t, err)
	return token.AccessToken
}

func (f *fixture) assertNoTokenLogged() {
	f.t.Helper()
	assert.True(f.t, grpcLog.contains("Server created"), "gRPC's log must be seen")
	for token := range f.source.tokens() {
		assert.False(f.t, grpcLog.contains(token), "a token is in gRPC's log")
	}
}

// recordingSource is a Source that records what it is asked for.
type recordingSource struct {
	*tokensource.Source

	mu          sync.Mutex
	handedOut   map[string]bool
	invalidated []string
	whenAsked   func()
}

// onAsk sets what happens when the next token is asked for.
func (s *recordingSource) onAsk(do func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.whenAsked = do
}

func (s *recordingSource) TokenContext(ctx context.Context) (*oauth2.Token, error) {
	s.mu.Lock()
	do := s.whenAsked
	s.whenAsked = nil
	s.mu.Unlock()
	if do != nil {
		do()
	}
	token, err := s.Source.TokenContext(ctx)
	if err == nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.handedOut[token.AccessToken] = true
	}
	return token, err
}

func (s *recordingSource) Invalidate(accessToken string) {
	s.mu.Lock()
	s.invalidated = append(s.invalidated, accessToken)
	s.mu.Unlock()
	s.Source.Invalidate(accessToken)
}

// tokens returns the tokens that were handed out.
func (s *recordingSource) tokens() map[string]bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make(map[string]bool, len(s.handedOut))
	for token := range s.handedOut {
		all[token] = true
	}
	return all
}

// reported returns the tokens that were reported as rejected.
func (s *recordingSource) reported() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.invalidated...)
}
