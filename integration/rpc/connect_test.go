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

// Limits of connect.
const (
	hasStatus200 = "the rejection has HTTP status 200"
	hasNoGetBody = "the body of the request is a pipe"
)

var connectClients = []harness.Client{
	{Name: "connect-go unary, Connect", Open: overConnect(connectUnary)},
	{
		Name:   "connect-go server stream, Connect",
		Open:   overConnect(connectDownload),
		Limits: map[harness.Check]string{harness.Replaced: hasStatus200, harness.Post: hasStatus200},
	},
	{
		Name:   "connect-go unary, gRPC",
		Open:   overConnect(connectUnary, connect.WithGRPC()),
		Limits: map[harness.Check]string{harness.Replaced: hasStatus200, harness.Post: hasStatus200},
	},
	{
		Name:   "connect-go server stream, gRPC",
		Open:   overConnect(connectDownload, connect.WithGRPC()),
		Limits: map[harness.Check]string{harness.Replaced: hasStatus200, harness.Post: hasStatus200},
	},
	{
		Name:   "connect-go bidirectional stream, gRPC",
		Open:   overConnect(connectChat, connect.WithGRPC()),
		Limits: map[harness.Check]string{harness.Replaced: hasNoGetBody, harness.Post: hasNoGetBody},
	},
	{
		Name:   "connect-go unary, gRPC-Web",
		Open:   overConnect(connectUnary, connect.WithGRPCWeb()),
		Limits: map[harness.Check]string{harness.Replaced: hasStatus200, harness.Post: hasStatus200},
	},
	{
		Name:   "connect-go server stream, gRPC-Web",
		Open:   overConnect(connectDownload, connect.WithGRPCWeb()),
		Limits: map[harness.Check]string{harness.Replaced: hasStatus200, harness.Post: hasStatus200},
	},
}

type message = wrapperspb.BytesValue

// connectEcho calls a method and returns an error if the body does not come back.
type connectEcho func(ctx context.Context, client *http.Client, url string, body []byte, options ...connect.ClientOption) error

// overConnect opens a client for a server of connect.
func overConnect(call connectEcho, options ...connect.ClientOption) func(*testing.T, *harness.Env) harness.Calls {
	return func(t *testing.T, e *harness.Env) harness.Calls {
		t.Helper()
		srv := httptest.NewUnstartedServer(connectServer(e))
		srv.EnableHTTP2 = true
		srv.Config.ErrorLog = log.New(e.Log, "", 0)
		srv.StartTLS()
		t.Cleanup(srv.Close)
		client := &http.Client{Transport: &transport.Transport{Source: e.Source, Base: srv.Client().Transport}}
		return harness.Calls{
			Get: func(ctx context.Context) error { return call(ctx, client, srv.URL, []byte("hello"), options...) },
			Post: func(ctx context.Context, body []byte) error {
				return call(ctx, client, srv.URL, body, options...)
			},
		}
	}
}

// connectServer returns the service, whose handlers reject a call with an interceptor.
func connectServer(e *harness.Env) http.Handler {
	check := connect.WithInterceptors(protect{e})
	mux := http.NewServeMux()
	mux.Handle(unary, connect.NewUnaryHandler(unary,
		func(_ context.Context, in *connect.Request[message]) (*connect.Response[message], error) {
			return connect.NewResponse(in.Msg), nil
		}, check))
	mux.Handle(download, connect.NewServerStreamHandler(download,
		func(_ context.Context, in *connect.Request[message], out *connect.ServerStream[message]) error {
			for chunk := range slices.Chunk(in.Msg.GetValue(), chunkSize) {
				if err := out.Send(wrapperspb.Bytes(chunk)); err != nil {
					return err
				}
			}
			return nil
		}, check))
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
		}, check))
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

func connectUnary(ctx context.Context, client *http.Client, url string, body []byte, options ...connect.ClientOption) error {
	c := connect.NewClient[message, message](client, url+unary, options...)
	resp, err := c.CallUnary(ctx, connect.NewRequest(wrapperspb.Bytes(body)))
	if err != nil {
		return err
	}
	return same(resp.Msg.GetValue(), body)
}

func connectDownload(ctx context.Context, client *http.Client, url string, body []byte, options ...connect.ClientOption) error {
	c := connect.NewClient[message, message](client, url+download, options...)
	s, err := c.CallServerStream(ctx, connect.NewRequest(wrapperspb.Bytes(body)))
	if err != nil {
		return err
	}
	var all []byte
	for s.Receive() {
		all = append(all, s.Msg().GetValue()...)
	}
	if err := errors.Join(s.Err(), s.Close()); err != nil {
		return err
	}
	return same(all, body)
}

func connectChat(ctx context.Context, client *http.Client, url string, body []byte, options ...connect.ClientOption) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	c := connect.NewClient[message, message](client, url+chat, options...)
	s := c.CallBidiStream(ctx)
	for chunk := range slices.Chunk(body, chunkSize) {
		// After io.EOF, Receive returns the error.
		if err := ended(s.Send(wrapperspb.Bytes(chunk))); err != nil {
			return err
		}
		out, err := s.Receive()
		if err != nil {
			return err
		}
		if err := same(out.GetValue(), chunk); err != nil {
			return err
		}
	}
	return errors.Join(s.CloseRequest(), s.CloseResponse())
}
