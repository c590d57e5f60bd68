package grpcagsauth

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"
)

// attemptKey is the key of the *attempt in the context of a call.
type attemptKey struct{ *auth }

// attempt is a call that an interceptor has made. gRPC may repeat it by its own rules.
type attempt struct {
	own  []credentials.PerRPCCredentials // of the caller, for this call
	sent atomic.Pointer[credential]      // the last one; nil if the call has an Authorization of the caller
	peer peer.Peer                       // set by gRPC when the call has ended; empty if no server was reached
}

// begin returns what to make a call with, so that the attempt learns which token is sent.
func (a *auth) begin(ctx context.Context, opts []grpc.CallOption) (*attempt, context.Context, []grpc.CallOption) {
	t := &attempt{}
	for _, opt := range opts {
		if own, ok := opt.(grpc.PerRPCCredsCallOption); ok {
			t.own = append(t.own, own.Creds)
		}
	}
	opts = append(slices.Clip(opts), grpc.Peer(&t.peer))
	return t, context.WithValue(ctx, attemptKey{a}, t), opts
}

// hasOwnAuthorization reports whether the caller's credentials for this call have an
// Authorization.
func (t *attempt) hasOwnAuthorization(ctx context.Context, uri ...string) bool {
	return slices.ContainsFunc(t.own, func(own credentials.PerRPCCredentials) bool {
		md, err := own.GetRequestMetadata(ctx, uri...)
		if err != nil {
			return false // gRPC will find that, too
		}
		for name := range md {
			if strings.EqualFold(name, authorization) {
				return true
			}
		}
		return false
	})
}

// rejected reports whether the server has rejected the token that was sent, and if so,
// reports that to the source.
func (a *auth) rejected(t *attempt, err error) bool {
	sent := t.sent.Load()
	if status.Code(err) != codes.Unauthenticated || sent == nil || t.peer.Addr == nil {
		return false
	}
	if _, own := errors.AsType[*tokenError](err); own {
		return false // of a later attempt, by a retry policy
	}
	a.source.Invalidate(sent.accessToken)
	return true
}

// awaitOther waits until the source has another token than the rejected one. If it has
// none, awaitOther returns the error of the call.
func (a *auth) awaitOther(ctx context.Context, t *attempt, rejection error) error {
	other, err := a.token(ctx)
	switch {
	case err != nil && ctx.Err() != nil:
		return err
	case err != nil:
		return fmt.Errorf("%w (no other token: %w)", rejection, err)
	case other.AccessToken == t.sent.Load().accessToken:
		return rejection
	}
	return nil
}

func (a *auth) interceptUnary(
	ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoker grpc.UnaryInvoker, opts ...grpc.CallOption,
) error {
	invoke := func() (*attempt, error) {
		t, callCtx, callOpts := a.begin(ctx, opts)
		return t, invoker(callCtx, method, req, reply, cc, callOpts...)
	}
	t, err := invoke()
	if !a.rejected(t, err) {
		return err
	}
	if err := a.awaitOther(ctx, t, err); err != nil {
		return err
	}
	t, err = invoke()
	a.rejected(t, err)
	return err
}

func (a *auth) interceptStream(
	ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string, streamer grpc.Streamer, opts ...grpc.CallOption,
) (grpc.ClientStream, error) {
	open := func() (*openStream, error) {
		t, callCtx, callOpts := a.begin(ctx, opts)
		opened, err := streamer(callCtx, desc, cc, method, callOpts...)
		return &openStream{opened, t}, err
	}
	first, err := open()
	if err != nil {
		return nil, err
	}
	return &stream{
		auth: a, clientStreams: desc.ClientStreams, protobuf: isProtobuf(opts),
		awaitOther: func(t *attempt, rejection error) error { return a.awaitOther(ctx, t, rejection) },
		open:       open,
		turn:       make(chan struct{}, 1), settled: make(chan struct{}),
		current: first, repeatable: true,
	}, nil
}

// isProtobuf reports whether the messages of a call have gRPC's usual encoding.
func isProtobuf(opts []grpc.CallOption) bool {
	return !slices.ContainsFunc(opts, func(opt grpc.CallOption) bool {
		switch opt.(type) {
		case grpc.ForceCodecCallOption, grpc.ForceCodecV2CallOption, grpc.ContentSubtypeCallOption:
			return true
		}
		return false
	})
}
