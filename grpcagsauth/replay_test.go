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

func TestAMessageThatIsSentWhileTheStreamIsRepeatedArrivesOnce(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.api.answerNext(errRejected)
	kept, repeated := make(chan struct{}), make(chan struct{})
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
			stream := f.openHooked(&tt.hooks)
			for range 3 {
				require.NoError(t, stream.Send(&grpc_testing.StreamingOutputCallRequest{}))
			}
			_, err := stream.Recv()
			require.ErrorIs(t, err, tt.want)
			assert.Equal(t, 2, tt.hooks.opened)
		})
	}
}
