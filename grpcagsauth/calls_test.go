package grpcagsauth_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/status"

	"github.com/agsauth/agsauth/agstest"
)

// kinds are the four kinds of calls. Each makes one with a body of this size, and returns
// an error unless everything that was sent has come back.
var kinds = map[string]func(ctx context.Context, client grpc_testing.TestServiceClient, size int, opts ...grpc.CallOption) error{
	"unary":         callUnary,
	"server stream": callServerStream,
	"client stream": callClientStream,
	"bidi stream":   callBidi,
}

func callUnary(ctx context.Context, client grpc_testing.TestServiceClient, size int, opts ...grpc.CallOption) error {
	sent := payload(size)
	resp, err := client.UnaryCall(ctx, &grpc_testing.SimpleRequest{Payload: sent}, append(opts, grpc.MaxCallRecvMsgSize(8<<20))...)
	if err != nil {
		return err
	}
	return same(sent, resp.GetPayload())
}

func callServerStream(ctx context.Context, client grpc_testing.TestServiceClient, size int, opts ...grpc.CallOption) error {
	sent := payload(size)
	stream, err := client.StreamingOutputCall(ctx, &grpc_testing.StreamingOutputCallRequest{Payload: sent}, opts...)
	if err != nil {
		return err
	}
	for range 3 {
		resp, err := stream.Recv()
		if err != nil {
			return err
		}
		if err := same(sent, resp.GetPayload()); err != nil {
			return err
		}
	}
	return wantEnd(stream.Recv())
}

// callClientStream fills the same message again for each Send, as many programs do.
func callClientStream(ctx context.Context, client grpc_testing.TestServiceClient, size int, opts ...grpc.CallOption) error {
	stream, err := client.StreamingInputCall(ctx, opts...)
	if err != nil {
		return err
	}
	req := &grpc_testing.StreamingInputCallRequest{}
	for i := range 3 {
		req.Payload = payload(size / 3 * i)
		if err := stream.Send(req); err != nil {
			break // CloseAndRecv returns why
		}
	}
	req.Payload = nil
	resp, err := stream.CloseAndRecv()
	if err != nil {
		return err
	}
	if got := int(resp.GetAggregatedPayloadSize()); got != size/3*3 {
		return fmt.Errorf("the server has received %d bytes instead of %d", got, size/3*3)
	}
	return nil
}

// callBidi sends three messages before it receives one.
func callBidi(ctx context.Context, client grpc_testing.TestServiceClient, size int, opts ...grpc.CallOption) error {
	stream, err := client.FullDuplexCall(ctx, opts...)
	if err != nil {
		return err
	}
	req := &grpc_testing.StreamingOutputCallRequest{}
	for i := range 3 {
		req.Payload = payload(size/3 + i)
		if err := stream.Send(req); err != nil {
			break // Recv returns why
		}
	}
	if err := stream.CloseSend(); err != nil {
		return err
	}
	for i := range 3 {
		resp, err := stream.Recv()
		if err != nil {
			return err
		}
		if err := same(payload(size/3+i), resp.GetPayload()); err != nil {
			return err
		}
	}
	return wantEnd(stream.Recv())
}

func payload(size int) *grpc_testing.Payload {
	return &grpc_testing.Payload{Body: bytes.Repeat([]byte("x"), size)}
}

func same(sent, received *grpc_testing.Payload) error {
	if !bytes.Equal(sent.GetBody(), received.GetBody()) {
		return fmt.Errorf("sent %d bytes, received %d", len(sent.GetBody()), len(received.GetBody()))
	}
	return nil
}

func wantEnd(_ *grpc_testing.StreamingOutputCallResponse, err error) error {
	if !errors.Is(err, io.EOF) {
		return fmt.Errorf("the stream goes on: %w", err)
	}
	return nil
}

// forEachKind runs a test with calls of each kind.
func forEachKind(t *testing.T, test func(f *fixture, call func(opts ...grpc.CallOption) error)) {
	t.Helper()
	for name, call := range kinds {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			client := f.dial()
			test(f, func(opts ...grpc.CallOption) error { return call(t.Context(), client, 30_000, opts...) })
		})
	}
}

func TestThreeLivesOfATokenWithoutAFailedCall(t *testing.T) {
	t.Parallel()
	forEachKind(t, func(f *fixture, call func(...grpc.CallOption) error) {
		var want []string
		for range 3 {
			want = append(want, f.currentToken(), f.currentToken())
			require.NoError(f.t, call())
			require.NoError(f.t, call())
			f.clock.Advance(accessLifetime)
		}
		assert.Equal(f.t, want, f.api.received())
		assert.Len(f.t, f.source.tokens(), 3)
		assert.Equal(f.t, 2, f.gateway.Count(agstest.Refresh))
	})
}

func TestARejectedTokenIsReplaced(t *testing.T) {
	t.Parallel()
	forEachKind(t, func(f *fixture, call func(...grpc.CallOption) error) {
		rejected := f.currentToken()
		f.api.answerNext(errRejected)
		require.NoError(f.t, call())
		assert.Equal(f.t, []string{rejected, f.currentToken()}, f.api.received())
		assert.NotEqual(f.t, rejected, f.currentToken())
		assert.Equal(f.t, []string{rejected}, f.source.reported())
		assert.Equal(f.t, 1, f.gateway.Count(agstest.Refresh))
	})
}

func TestARejectedTokenIsReplacedWithALargeRequest(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"unary", "server stream"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			f.api.answerNext(errRejected)
			client := f.dial(grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(8 << 20)))
			require.NoError(t, kinds[kind](t.Context(), client, 4<<20))
			assert.Len(t, f.api.received(), 2)
		})
	}
}

func TestAnAPIThatRejectsEveryToken(t *testing.T) {
	t.Parallel()
	forEachKind(t, func(f *fixture, call func(...grpc.CallOption) error) {
		first := f.currentToken()
		f.api.answerNext(errRejected, status.Error(codes.Unauthenticated, "the second answer"))
		err := call()
		require.EqualError(f.t, err, "rpc error: code = Unauthenticated desc = the second answer")
		assert.Equal(f.t, []string{first, f.currentToken()}, f.api.received())
		assert.Equal(f.t, f.api.received(), f.source.reported())

		f.api.answerAll(errRejected)
		require.ErrorIs(f.t, call(), errRejected)
		assert.Len(f.t, f.api.received(), 3, "the source has no other token, so that there is no second call")
		assert.Equal(f.t, 1, f.gateway.Count(agstest.Refresh))
	})
}

func TestASourceThatAlwaysHasAnotherToken(t *testing.T) {
	t.Parallel()
	for name, call := range kinds {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			f.api.answerAll(errRejected)
			require.ErrorIs(t, call(t.Context(), f.dialWith(&endlessSource{}), 9), errRejected)
			assert.Equal(t, []string{"token 1", "token 3"}, f.api.received(), "token 2 has shown that there is another one")
		})
	}
}

// endlessSource returns another token each time.
type endlessSource struct{ calls atomic.Int32 }

func (s *endlessSource) TokenContext(context.Context) (*oauth2.Token, error) {
	return &oauth2.Token{AccessToken: fmt.Sprintf("token %d", s.calls.Add(1))}, nil
}

func (*endlessSource) Invalidate(string) {}

func TestExactlyTheTokenThatWasSentIsInvalidated(t *testing.T) {
	t.Parallel()
	forEachKind(t, func(f *fixture, call func(...grpc.CallOption) error) {
		old := f.currentToken()
		f.api.answerNext(errRejected)
		f.api.beforeNext(func() {
			f.clock.Advance(accessLifetime)
			f.currentToken() // another caller's
		})
		require.NoError(f.t, call())
		assert.Equal(f.t, []string{old}, f.source.reported())
		assert.Equal(f.t, []string{old, f.currentToken()}, f.api.received())
		assert.Equal(f.t, 1, f.gateway.Count(agstest.Refresh), "only that of the other caller")
	})
}
