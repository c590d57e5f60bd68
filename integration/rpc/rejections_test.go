package rpc_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
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
)

// TestRejections checks the clients with servers that reject a call in other ways.
func TestRejections(t *testing.T) {
	for name, clients := range map[string][]harness.Client{
		"connect-go before the body": connectClientsOf(startEarly),
		"connect-go over HTTP/1.1":   {{Name: "connect-go unary, Connect", Open: startServer(startHTTP1).open(connectUnary)}},
		"connect-go over h2c":        onlyGRPC(connectClientsOf(startH2C)),
		"grpc":                       onlyGRPC(connectClientsOf(startGRPC)),
		"grpc after the header":      onlyGRPC(connectClientsOf(startLateGRPC)),
	} {
		for _, c := range clients {
			c.Without = notAboutRejections
			t.Run(name+"/"+c.Name, func(t *testing.T) { harness.Run(t, c) })
		}
	}
}

// TestRejectedAfterTheHeader checks the same with the clients of grpc. A stream is not
// repeated then, because the server may have handled what it got; the next call has
// another token.
func TestRejectedAfterTheHeader(t *testing.T) {
	for name, call := range map[string]echo{"unary": callUnary, "download": callDownload, "upload": callUpload, "chat": callChat} {
		e := harness.NewEnv(t)
		conn := dial(t, e, headerFirst(), withBridge(e)...)
		require.NoError(t, e.RejectCurrent(t.Context()))
		err := call(t.Context(), conn, []byte("hello"))
		if name == "unary" {
			require.NoError(t, err)
		} else {
			require.Equal(t, codes.Unauthenticated, status.Code(err), name)
			require.NoError(t, call(t.Context(), conn, []byte("hello")), name)
		}
		assert.Equal(t, 2, e.Received(), name)
	}
}

func onlyGRPC(clients []harness.Client) []harness.Client {
	return slices.DeleteFunc(clients, func(c harness.Client) bool { return !strings.HasSuffix(c.Name, ", gRPC") })
}

var notAboutRejections = map[harness.Check]string{
	harness.Lives:    "no call is rejected",
	harness.End:      "no call is rejected",
	harness.Deadline: "no call is rejected",
}

// bodySize is more than the bridge to grpc keeps.
const bodySize = 1 << 20

// TestOpenedAgain checks that the call after one that cannot be repeated has a new token.
func TestOpenedAgain(t *testing.T) {
	for _, c := range clients {
		if why := c.Limits[harness.Post]; why != keepsLittle && why != hasNoGetBody {
			continue
		}
		t.Run(c.Name, func(t *testing.T) {
			e := harness.NewEnv(t)
			calls := c.Open(t, e)
			require.NoError(t, e.RejectCurrent(t.Context()))
			require.Error(t, calls.Post(t.Context(), make([]byte, bodySize)))
			require.NoError(t, calls.Post(t.Context(), make([]byte, bodySize)))
			assert.Equal(t, 2, e.Received())
			assert.Equal(t, 1, e.Gateway.Count(agstest.Refresh))
		})
	}
}

// startEarly starts a server that rejects a call before it reads the body.
func startEarly(t *testing.T, e *harness.Env) *httptest.Server {
	t.Helper()
	return startHTTP2(t, e, rejectEarly(e))
}

// startHTTP1 is startEarly without HTTP/2.
func startHTTP1(t *testing.T, e *harness.Env) *httptest.Server {
	t.Helper()
	srv := httptest.NewTLSServer(rejectEarly(e))
	t.Cleanup(srv.Close)
	return srv
}

// startH2C is startEarly without TLS.
func startH2C(t *testing.T, e *harness.Env) *httptest.Server {
	t.Helper()
	var protocols http.Protocols
	protocols.SetUnencryptedHTTP2(true)
	srv := httptest.NewUnstartedServer(rejectEarly(e))
	srv.Config.Protocols = &protocols
	srv.Start()
	t.Cleanup(srv.Close)
	srv.Client().Transport.(*http.Transport).Protocols = &protocols
	return srv
}

func rejectEarly(e *harness.Env) http.Handler {
	next, rejection := connectServer(), connect.NewErrorWriter()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if e.Accepts(r.Header.Get("Authorization")) {
			next.ServeHTTP(w, r)
			return
		}
		_ = rejection.Write(w, r, connect.NewError(connect.CodeUnauthenticated, errors.New("the token is not valid")))
	})
}

// startGRPC starts a server of grpc.
func startGRPC(t *testing.T, e *harness.Env) *httptest.Server {
	t.Helper()
	return serveGRPC(t, e, protected(e))
}

// startLateGRPC starts a server of grpc that sends its header before it rejects a call.
func startLateGRPC(t *testing.T, e *harness.Env) *httptest.Server {
	t.Helper()
	return serveGRPC(t, e, slices.Concat(headerFirst(), protected(e)))
}

func serveGRPC(t *testing.T, e *harness.Env, options []grpc.ServerOption) *httptest.Server {
	t.Helper()
	server := grpc.NewServer(options...)
	server.RegisterService(&echoService, nil)
	t.Cleanup(server.Stop)
	return startHTTP2(t, e, server)
}

// headerFirst are the options of a server that sends its header before all else.
func headerFirst() []grpc.ServerOption {
	header := metadata.Pairs("x-request", "7")
	return []grpc.ServerOption{
		grpc.ChainUnaryInterceptor(func(ctx context.Context, req any, _ *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
			if err := grpc.SendHeader(ctx, header); err != nil {
				return nil, err
			}
			return next(ctx, req)
		}),
		grpc.ChainStreamInterceptor(func(srv any, s grpc.ServerStream, _ *grpc.StreamServerInfo, next grpc.StreamHandler) error {
			if err := s.SendHeader(header); err != nil {
				return err
			}
			return next(srv, s)
		}),
	}
}
