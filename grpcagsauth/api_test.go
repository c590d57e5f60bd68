package grpcagsauth_test

import (
	"context"
	"errors"
	"io"
	"strconv"
	"strings"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/agsauth/agsauth/agstest"
)

// errRejected is how the API rejects a token.
var errRejected = status.Error(codes.Unauthenticated, "the token is not valid")

// api is a gRPC service that accepts the live tokens of a gateway.
type api struct {
	grpc_testing.UnimplementedTestServiceServer
	gateway    *agstest.Server
	sendHeader bool // of each stream, before its answer; set it before the first

	mu      sync.Mutex
	sent    []string       // the Authorizations of all calls
	answers []error        // to the next calls, instead of the gateway's verdict; nil for that verdict
	always  error          // to all calls
	before  func()         // called before the next answer
	waiting sync.WaitGroup // of the calls that wait for each other
	missing int            // of these
}

// answerNext sets the answers to the next calls. A nil leaves a call to the gateway.
func (a *api) answerNext(errs ...error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.answers = errs
}

// answerAll sets the answer to all calls.
func (a *api) answerAll(err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.always = err
}

// beforeNext sets what happens while the next call waits for its answer.
func (a *api) beforeNext(do func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.before = do
}

// waitFor makes the next n calls wait for each other.
func (a *api) waitFor(n int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.missing = n
	a.waiting.Add(n)
}

// arrive waits until all calls of waitFor have arrived.
func (a *api) arrive() {
	a.mu.Lock()
	waits := a.missing > 0
	if waits {
		a.missing--
	}
	a.mu.Unlock()
	if waits {
		a.waiting.Done()
		a.waiting.Wait()
	}
}

// received returns the tokens of all calls, "" for a call that had none.
func (a *api) received() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return append([]string{}, a.sent...)
}

// check records a call, and returns an error if it is not accepted.
func (a *api) check(ctx context.Context) error {
	a.arrive()
	md, _ := metadata.FromIncomingContext(ctx)
	token, bearer := strings.CutPrefix(strings.Join(md["authorization"], ", "), "Bearer ")
	a.mu.Lock()
	defer a.mu.Unlock()
	a.sent = append(a.sent, token)
	if do := a.before; do != nil {
		a.before = nil
		do()
	}
	if a.always != nil {
		return a.always
	}
	if len(a.answers) > 0 {
		answer := a.answers[0]
		a.answers = a.answers[1:]
		if answer != nil {
			return answer
		}
	}
	if info, known := a.gateway.Inspect(token); !bearer || !known || info.Refresh || !info.Live {
		return errRejected
	}
	return nil
}

func (a *api) interceptUnary(ctx context.Context, req any, _ *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
	if err := a.check(ctx); err != nil {
		return nil, err
	}
	return handler(ctx, req)
}

func (a *api) interceptStream(srv any, stream grpc.ServerStream, _ *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
	if a.sendHeader {
		if err := stream.SendHeader(metadata.Pairs("a", "header")); err != nil {
			return err
		}
	}
	err := a.check(stream.Context())
	stream.SetTrailer(metadata.Pairs("call", strconv.Itoa(len(a.received()))))
	if err != nil {
		return err
	}
	return handler(srv, stream)
}

// UnaryCall returns the payload of the request.
func (a *api) UnaryCall(_ context.Context, req *grpc_testing.SimpleRequest) (*grpc_testing.SimpleResponse, error) {
	return &grpc_testing.SimpleResponse{Payload: req.GetPayload()}, nil
}

// StreamingOutputCall returns the payload of the request three times.
func (a *api) StreamingOutputCall(
	req *grpc_testing.StreamingOutputCallRequest, stream grpc.ServerStreamingServer[grpc_testing.StreamingOutputCallResponse],
) error {
	for range 3 {
		if err := stream.Send(&grpc_testing.StreamingOutputCallResponse{Payload: req.GetPayload()}); err != nil {
			return err
		}
	}
	return nil
}

// StreamingInputCall returns how many bytes it has received.
func (a *api) StreamingInputCall(
	stream grpc.ClientStreamingServer[grpc_testing.StreamingInputCallRequest, grpc_testing.StreamingInputCallResponse],
) error {
	total := &grpc_testing.StreamingInputCallResponse{}
	for {
		req, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return stream.SendAndClose(total)
		}
		if err != nil {
			return err
		}
		total.AggregatedPayloadSize += int32(len(req.GetPayload().GetBody()))
	}
}

// FullDuplexCall returns the payload of each message. It ends with the status that a
// message asks for.
func (a *api) FullDuplexCall(
	stream grpc.BidiStreamingServer[grpc_testing.StreamingOutputCallRequest, grpc_testing.StreamingOutputCallResponse],
) error {
	for {
		req, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if asked := req.GetResponseStatus(); asked != nil {
			return status.Error(codes.Code(asked.GetCode()), asked.GetMessage())
		}
		if err := stream.Send(&grpc_testing.StreamingOutputCallResponse{Payload: req.GetPayload()}); err != nil {
			return err
		}
	}
}

// HalfDuplexCall sends more than a client receives by itself before it receives anything.
func (a *api) HalfDuplexCall(
	stream grpc.BidiStreamingServer[grpc_testing.StreamingOutputCallRequest, grpc_testing.StreamingOutputCallResponse],
) error {
	for range 8 {
		if err := stream.Send(&grpc_testing.StreamingOutputCallResponse{Payload: payload(32 << 10)}); err != nil {
			return err
		}
	}
	return a.FullDuplexCall(stream)
}
