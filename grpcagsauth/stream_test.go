package grpcagsauth_test

import (
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

	"github.com/agsauth/agsauth/agstest"
)

type bidiStream = grpc.BidiStreamingClient[grpc_testing.StreamingOutputCallRequest, grpc_testing.StreamingOutputCallResponse]

func (f *fixture) openBidi() bidiStream {
	f.t.Helper()
	stream, err := f.dial().FullDuplexCall(f.t.Context())
	require.NoError(f.t, err)
	return stream
}

// echo sends a message and receives it.
func (f *fixture) echo(stream bidiStream) {
	f.t.Helper()
	require.NoError(f.t, stream.Send(&grpc_testing.StreamingOutputCallRequest{Payload: payload(9)}))
	resp, err := stream.Recv()
	require.NoError(f.t, err)
	assert.Len(f.t, resp.GetPayload().GetBody(), 9)
}

// end asks the server to reject the token of an open stream.
func (f *fixture) end(stream bidiStream) {
	f.t.Helper()
	require.NoError(f.t, stream.Send(&grpc_testing.StreamingOutputCallRequest{
		ResponseStatus: &grpc_testing.EchoStatus{Code: int32(codes.Unauthenticated), Message: "the token is not valid"},
	}))
	_, err := stream.Recv()
	require.ErrorIs(f.t, err, errRejected)
}

func TestAnOpenStreamOutlivesItsToken(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	stream := f.openBidi()
	for range 3 {
		f.echo(stream)
		f.clock.Advance(accessLifetime)
		f.currentToken()
	}
	require.NoError(t, stream.CloseSend())
	require.NoError(t, wantEnd(stream.Recv()))
	assert.Len(t, f.api.received(), 1)
}

func TestAStreamThatHasReceivedSomethingIsNotRepeated(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	stream, sent := f.openBidi(), f.currentToken()
	f.echo(stream)
	release := f.gateway.Hold(agstest.Refresh)
	defer release()
	f.end(stream) // without waiting for another token
	assert.Equal(t, []string{sent}, f.api.received())
	assert.Equal(t, []string{sent}, f.source.reported())
	release()
	assert.NotEqual(t, sent, f.currentToken())
	require.ErrorIs(t, stream.Send(&grpc_testing.StreamingOutputCallRequest{}), io.EOF)
}

func TestARepeatedStreamIsNotRepeatedAgain(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.api.answerNext(errRejected)
	stream := f.openBidi()
	f.echo(stream)
	f.echo(stream)
	f.end(stream)
	sent := f.api.received()
	assert.Len(t, sent, 2)
	assert.Equal(t, sent, f.source.reported())
}

func TestAStreamThatHasSentTooMuchIsNotRepeated(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		messages, size, calls int
	}{
		"nearly all that is kept": {16, 4<<10 - 16, 2},
		"one large message":       {1, 64 << 10, 1},
		"many messages":           {13_200, 0, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			sent := make(chan struct{})
			f.api.answerNext(errRejected)
			f.api.beforeNext(func() { <-sent })
			answer := sync.OnceFunc(func() { close(sent) })
			defer answer()
			stream, err := f.dial().StreamingInputCall(t.Context())
			require.NoError(t, err)
			for range tt.messages {
				require.NoError(t, stream.Send(&grpc_testing.StreamingInputCallRequest{Payload: payload(tt.size)}))
			}
			answer()
			resp, err := stream.CloseAndRecv()
			assert.Len(t, f.api.received(), tt.calls)
			assert.Len(t, f.source.reported(), 1, "in any case")
			if tt.calls == 1 {
				require.ErrorIs(t, err, errRejected)
				return
			}
			require.NoError(t, err)
			assert.EqualValues(t, tt.messages*tt.size, resp.GetAggregatedPayloadSize())
		})
	}
}

func TestSendingAgainDoesNotWaitForTheServer(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.api.answerNext(errRejected)
	stream, err := f.dial(grpc.WithStaticStreamWindowSize(64 << 10)).HalfDuplexCall(t.Context())
	require.NoError(t, err)
	for range 15 {
		require.NoError(t, stream.Send(&grpc_testing.StreamingOutputCallRequest{Payload: payload(4 << 10)}))
	}
	require.NoError(t, stream.CloseSend())
	for range 8 + 15 {
		_, err := stream.Recv()
		require.NoError(t, err)
	}
	require.NoError(t, wantEnd(stream.Recv()))
	assert.Len(t, f.api.received(), 2)
}

func TestSendWaitsWhileTheTokenIsReplaced(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	release := f.gateway.Hold(agstest.Refresh)
	defer release()
	f.api.answerNext(errRejected)
	stream := f.openBidi()
	const messages = 100
	var others sync.WaitGroup
	others.Go(func() {
		for i := range messages {
			assert.NoError(t, stream.Send(&grpc_testing.StreamingOutputCallRequest{Payload: payload(i)}))
		}
		assert.NoError(t, stream.CloseSend())
	})
	others.Go(func() {
		assert.NoError(t, f.gateway.Wait(t.Context(), agstest.Refresh, 1))
		release()
	})
	for i := range messages {
		resp, err := stream.Recv()
		require.NoError(t, err)
		assert.Len(t, resp.GetPayload().GetBody(), i)
	}
	require.NoError(t, wantEnd(stream.Recv()))
	others.Wait()
	assert.Len(t, f.api.received(), 2)
}

func TestTooMuchIsSentWhileTheTokenIsReplaced(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	release := f.gateway.Hold(agstest.Refresh)
	defer release()
	f.api.answerNext(errRejected)
	stream := f.openBidi()
	var sender sync.WaitGroup
	sender.Go(func() {
		defer release()
		assert.NoError(t, f.gateway.Wait(t.Context(), agstest.Refresh, 1))
		assert.ErrorIs(t, stream.Send(&grpc_testing.StreamingOutputCallRequest{Payload: payload(64 << 10)}), io.EOF)
	})
	_, err := stream.Recv()
	require.ErrorIs(t, err, errRejected)
	sender.Wait()
	assert.Len(t, f.api.received(), 1)
}

func TestSendAfterTheTokenCouldNotBeReplaced(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	require.NotZero(t, f.gateway.RevokeSessions())
	f.api.answerNext(errRejected)
	stream := f.openBidi()
	_, err := stream.Recv()
	f.wantCode(codes.Unauthenticated, err)
	require.ErrorIs(t, stream.Send(&grpc_testing.StreamingOutputCallRequest{}), io.EOF)
	_, err = stream.Recv()
	require.Equal(t, "the token is not valid", status.Convert(err).Message(), "no other token is asked for again")
}

func TestHeaderAndTrailerAreThoseOfTheLastStream(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.api.answerNext(errRejected)
	stream := f.openBidi()
	require.NoError(t, stream.Send(&grpc_testing.StreamingOutputCallRequest{Payload: payload(9)}))
	md, err := stream.Header() // the rejected stream has none
	require.NoError(t, err)
	assert.NotNil(t, md)
	_, err = stream.Recv()
	require.NoError(t, err)
	require.NoError(t, stream.CloseSend())
	require.NoError(t, wantEnd(stream.Recv()))
	assert.Equal(t, []string{"2"}, stream.Trailer().Get("call"))
}

func TestAStreamIsNotRepeatedAfterThatWasGivenOut(t *testing.T) {
	t.Parallel()
	for name, use := range map[string]func(bidiStream) error{
		"context": func(s bidiStream) error { return s.Context().Err() },
		"header": func(s bidiStream) error {
			md, err := s.Header()
			if md == nil {
				return errors.Join(errors.New("no header"), err)
			}
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			f.api.sendHeader = true
			stream := f.openBidi()
			require.NoError(t, use(stream))
			f.end(stream)
			assert.Len(t, f.api.received(), 1)
		})
	}
}

// A server that has sent a header may have handled what it got.
func TestAStreamWithAHeaderIsNotRepeated(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.api.sendHeader = true
	f.api.answerNext(errRejected)
	_, err := f.openBidi().Recv()
	require.ErrorIs(t, err, errRejected)
	assert.Len(t, f.api.received(), 1)
	assert.Len(t, f.source.reported(), 1)
}

func TestHeaderOfAStreamThatEndsForAnotherReason(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.api.answerNext(status.Error(codes.Aborted, "the end"))
	stream := f.openBidi()
	md, err := stream.Header()
	require.NoError(t, err)
	assert.Nil(t, md)
	_, err = stream.Recv()
	require.EqualError(t, err, "rpc error: code = Aborted desc = the end")
	assert.Len(t, f.api.received(), 1)
}

// A program may fill one request message again for the next stream.
func TestAServerStreamIsRepeatedWithItsOwnRequest(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.api.answerNext(errRejected)
	client, req := f.dial(), &grpc_testing.StreamingOutputCallRequest{Payload: payload(7)}
	stream, err := client.StreamingOutputCall(t.Context(), req)
	require.NoError(t, err)
	req.Payload = payload(9)
	resp, err := stream.Recv()
	require.NoError(t, err)
	assert.Len(t, resp.GetPayload().GetBody(), 7)
}

func TestErrorsOfTheStreamItselfAreReturned(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	stream, err := f.dial(grpc.WithDefaultCallOptions(grpc.MaxCallSendMsgSize(1000))).FullDuplexCall(t.Context())
	require.NoError(t, err)
	err = stream.Send(&grpc_testing.StreamingOutputCallRequest{Payload: payload(2000)})
	assert.Equal(t, codes.ResourceExhausted, status.Code(err))
}
