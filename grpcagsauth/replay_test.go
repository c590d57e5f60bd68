package grpcagsauth_test

import (
	"context"
	"errors"
	"io"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/status"
)

// hooks are called between the bridge and gRPC, with the numbers of the stream and of the
// message, from 1.
type hooks struct {
	open func(stream int) error
	send func(stream, message int, send func() error) error

	opened int
}

func (h *hooks) intercept(
	ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string, streamer grpc.Streamer, opts ...grpc.CallOption,
) (grpc.ClientStream, error) {
	h.opened++
	if h.open != nil {
		if err := h.open(h.opened); err != nil {
			return nil, err
		}
	}
	stream, err := streamer(ctx, desc, cc, method, opts...)
	return &hookedStream{ClientStream: stream, hooks: h, number: h.opened}, err
}

type hookedStream struct {
	grpc.ClientStream
	hooks        *hooks
	number, sent int
}

func (s *hookedStream) SendMsg(m any) error {
	s.sent++
	send := func() error { return s.ClientStream.SendMsg(m) }
	if s.hooks.send == nil {
		return send()
	}
	return s.hooks.send(s.number, s.sent, send)
}

func (f *fixture) openHooked(h *hooks) bidiStream {
	f.t.Helper()
	stream, err := f.dialThen(grpc.WithChainStreamInterceptor(h.intercept)).FullDuplexCall(f.t.Context())
	require.NoError(f.t, err)
	return stream
}

// untilEnd sends the last message of the first stream until the server has ended it.
func untilEnd(last int) *hooks {
	return &hooks{send: func(stream, message int, send func() error) error {
		err := send()
		for stream == 1 && message == last && err == nil {
			err = send()
		}
		return err
	}}
}

func TestSendLearnsOfTheRejection(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.api.answerNext(errRejected)
	stream := f.openHooked(untilEnd(3))
	for size := range 4 {
		require.NoError(t, stream.Send(&grpc_testing.StreamingOutputCallRequest{Payload: payload(size)}))
	}
	require.NoError(t, stream.CloseSend())
	for size := range 4 {
		resp, err := stream.Recv()
		require.NoError(t, err)
		assert.Len(t, resp.GetPayload().GetBody(), size)
	}
	require.NoError(t, wantEnd(stream.Recv()))
	assert.Len(t, f.api.received(), 2)
}

func TestSendLearnsOfTheEnd(t *testing.T) {
	t.Parallel()
	for name, code := range map[string]codes.Code{"in order": codes.OK, "by an error": codes.Aborted, "by a rejection": codes.Unauthenticated} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			stream := f.openHooked(untilEnd(3))
			require.NoError(t, stream.Send(&grpc_testing.StreamingOutputCallRequest{Payload: payload(9)}))
			require.NoError(t, stream.Send(&grpc_testing.StreamingOutputCallRequest{
				ResponseStatus: &grpc_testing.EchoStatus{Code: int32(code), Message: "the end"},
			}))
			require.ErrorIs(t, stream.Send(&grpc_testing.StreamingOutputCallRequest{}), io.EOF)
			require.ErrorIs(t, stream.Send(&grpc_testing.StreamingOutputCallRequest{}), io.EOF)
			resp, err := stream.Recv()
			require.NoError(t, err)
			assert.Len(t, resp.GetPayload().GetBody(), 9)
			_, err = stream.Recv()
			if code == codes.OK {
				require.ErrorIs(t, err, io.EOF)
			} else {
				assert.Equal(t, code, status.Code(err))
			}
			assert.Len(t, f.api.received(), 1)
		})
	}
}

func TestSendLearnsOfTheEndOfAStreamWithoutMessages(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.api.answerNext(status.Error(codes.Aborted, "the end"))
	stream := f.openHooked(untilEnd(1))
	require.ErrorIs(t, stream.Send(&grpc_testing.StreamingOutputCallRequest{}), io.EOF)
	for range 2 {
		_, err := stream.Recv()
		require.EqualError(t, err, "rpc error: code = Aborted desc = the end")
	}
}

func TestSendLearnsOfTheEndAndSomethingElseIsReceived(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	stream := f.openHooked(untilEnd(2))
	require.NoError(t, stream.Send(&grpc_testing.StreamingOutputCallRequest{}))
	require.ErrorIs(t, stream.Send(&grpc_testing.StreamingOutputCallRequest{ResponseStatus: &grpc_testing.EchoStatus{}}), io.EOF)
	assert.Equal(t, codes.Internal, status.Code(stream.RecvMsg("no message")))
}

func TestStreamsOfAnotherEncoding(t *testing.T) {
	t.Parallel()
	for name, calls := range map[string]int{"unary": 2, "server stream": 2, "client stream": 1, "bidi stream": 1} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			f.api.answerNext(errRejected)
			err := kinds[name](t.Context(), f.dial(), 9, grpc.CallContentSubtype("proto"))
			assert.Len(t, f.api.received(), calls)
			if calls == 1 {
				require.ErrorIs(t, err, errRejected)
			} else {
				require.NoError(t, err)
			}
		})
	}
}

func TestAMessageThatIsSentWhileTheStreamIsRepeatedArrivesOnce(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.api.answerNext(errRejected)
	kept, repeated := make(chan struct{}), make(chan struct{})
	f.api.beforeNext(func() { <-kept })
	stream := f.openHooked(&hooks{send: func(stream, message int, send func() error) error {
		switch {
		case stream == 1 && message == 2:
			close(kept)
			<-repeated
			err := send()
			assert.ErrorIs(t, err, io.EOF)
			return err
		case stream == 2 && message == 2:
			defer close(repeated)
		}
		return send()
	}})
	require.NoError(t, stream.Send(&grpc_testing.StreamingOutputCallRequest{Payload: payload(1)}))
	var sender sync.WaitGroup
	sender.Go(func() {
		assert.NoError(t, stream.Send(&grpc_testing.StreamingOutputCallRequest{Payload: payload(2)}))
		assert.NoError(t, stream.CloseSend())
	})
	<-kept
	for size := range 2 {
		resp, err := stream.Recv()
		require.NoError(t, err)
		assert.Len(t, resp.GetPayload().GetBody(), size+1)
	}
	require.NoError(t, wantEnd(stream.Recv()))
	sender.Wait()
}

func TestTheRepeatedStreamFails(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	second := status.Error(codes.Unauthenticated, "the second answer")
	for name, tt := range map[string]struct {
		hooks hooks
		want  error
	}{
		"as it is opened": {hooks{open: func(stream int) error {
			if stream == 2 {
				return broken
			}
			return nil
		}}, broken},
		"as a message is sent": {hooks{send: func(stream, message int, send func() error) error {
			if stream == 2 && message == 2 {
				return broken
			}
			return send()
		}}, broken},
		"by the server, before everything is sent": {hooks{send: func(stream, message int, send func() error) error {
			if stream == 2 && message == 2 {
				return io.EOF
			}
			return send()
		}}, second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			f.api.answerNext(errRejected, second)
			sent := make(chan struct{})
			f.api.beforeNext(func() { <-sent })
			stream := f.openHooked(&tt.hooks)
			for range 3 {
				require.NoError(t, stream.Send(&grpc_testing.StreamingOutputCallRequest{}))
			}
			close(sent)
			_, err := stream.Recv()
			require.ErrorIs(t, err, tt.want)
			assert.Equal(t, 2, tt.hooks.opened)
		})
	}
}
