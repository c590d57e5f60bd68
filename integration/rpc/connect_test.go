package rpc_test

import (
	"context"
	"errors"
	"log"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/agsauth/agsauth/integration/internal/harness"
	"github.com/agsauth/agsauth/transport"
)

// hasNoGetBody is a limit of connect.
const hasNoGetBody = "the body of the request is a pipe"

var connectClients = connectClientsOf(startConnect)

// connectClientsOf returns the clients of servers that are started by start.
func connectClientsOf(start startServer) []harness.Client {
	return []harness.Client{
		{Name: "connect-go unary, Connect", Open: start.open(connectUnary)},
		{Name: "connect-go server stream, Connect", Open: start.open(connectDownload)},
		{Name: "connect-go unary, gRPC", Open: start.open(connectUnary, connect.WithGRPC())},
		{Name: "connect-go server stream, gRPC", Open: start.open(connectDownload, connect.WithGRPC())},
		{
			Name:   "connect-go bidirectional stream, gRPC",
			Open:   start.open(connectChat, connect.WithGRPC()),
			Limits: map[harness.Check]string{harness.Replaced: hasNoGetBody, harness.Post: hasNoGetBody},
		},
		{Name: "connect-go unary, gRPC-Web", Open: start.open(connectUnary, connect.WithGRPCWeb())},
		{Name: "connect-go server stream, gRPC-Web", Open: start.open(connectDownload, connect.WithGRPCWeb())},
	}
}

type message = wrapperspb.BytesValue

// connectEcho calls a method and returns an error if the body does not come back.
type connectEcho func(ctx context.Context, client *http.Client, url string, body []byte, options ...connect.ClientOption) error

// startServer starts a server that e protects.
type startServer func(t *testing.T, e *harness.Env) *httptest.Server

// open opens a client.
func (start startServer) open(call connectEcho, options ...connect.ClientOption) func(*testing.T, *harness.Env) harness.Calls {
	return func(t *testing.T, e *harness.Env) harness.Calls {
		t.Helper()
		srv := start(t, e)
		client := &http.Client{Transport: &transport.Transport{
			Source: e.Source, Base: srv.Client().Transport, IsRejection: transport.RejectionGRPC,
		}}
		return harness.Calls{
			Get: func(ctx context.Context) error { return call(ctx, client, srv.URL, []byte("hello"), options...) },
			Post: func(ctx context.Context, body []byte) error {
				return call(ctx, client, srv.URL, body, options...)
			},
		}
	}
}

// startConnect starts a server whose handlers reject a call with an interceptor.
func startConnect(t *testing.T, e *harness.Env) *httptest.Server {
	t.Helper()
	return startHTTP2(t, e, connectServer(connect.WithInterceptors(protect{e})))
}

func startHTTP2(t *testing.T, e *harness.Env, handler http.Handler) *httptest.Server {
	t.Helper()
	srv := httptest.NewUnstartedServer(handler)
	srv.EnableHTTP2 = true
	srv.Config.ErrorLog = log.New(e.Log, "", 0)
	srv.StartTLS()
	t.Cleanup(srv.Close)
	return srv
}

// connectServer returns the service.
func connectServer(options ...connect.HandlerOption) http.Handler {
	mux := http.NewServeMux()
	mux.Handle(unary, connect.NewUnaryHandler(unary,
		func(_ context.Context, in *connect.Request[message]) (*connect.Response[message], error) {
			return connect.NewResponse(in.Msg), nil
		}, options...))
	mux.Handle(download, connect.NewServerStreamHandler(download,
		func(_ context.Context, in *connect.Request[message], out *connect.ServerStream[message]) error {
			for chunk := range slices.Chunk(in.Msg.GetValue(), chunkSize) {
				if err := out.Send(wrapperspb.Bytes(chunk)); err != nil {
					return err
				}
			}
			return nil
		}, options...))
	mux.Handle(chat, connect.NewBidiStreamHandler(chat,
		func(_ context.Context, s *connect.BidiStream[message, message]) error {
			for {
				in, err := s.Receive()
				if err != nil {
					return ended(err)
				}
				if err := s.Send(in); err != nil {
					return err
				}
			}
		}, options...))
	return mux
}

// protect is the interceptor of a server that e protects.
type protect struct{ *harness.Env }

func (p protect) accept(header http.Header) error {
	if p.Accepts(header.Get("Authorization")) {
		return nil
	}
	return connect.NewError(connect.CodeUnauthenticated, errors.New("the token is not valid"))
}

// WrapUnary implements [connect.Interceptor].
func (p protect) WrapUnary(next connect.UnaryFunc) connect.UnaryFunc {
	return func(ctx context.Context, req connect.AnyRequest) (connect.AnyResponse, error) {
		if err := p.accept(req.Header()); err != nil {
			return nil, err
		}
		return next(ctx, req)
	}
}

// WrapStreamingHandler implements [connect.Interceptor].
func (p protect) WrapStreamingHandler(next connect.StreamingHandlerFunc) connect.StreamingHandlerFunc {
	return func(ctx context.Context, conn connect.StreamingHandlerConn) error {
		if err := p.accept(conn.RequestHeader()); err != nil {
			return err
		}
		return next(ctx, conn)
	}
}

// WrapStreamingClient implements [connect.Interceptor].
func (protect) WrapStreamingClient(next connect.StreamingClientFunc) connect.StreamingClientFunc {
	return next
}
