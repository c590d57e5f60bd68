package rpc_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"slices"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// The methods of the service. Each echoes the bytes that it receives.
const (
	serviceName = "integration.Echo"
	unary       = "/" + serviceName + "/Unary"
	download    = "/" + serviceName + "/Download"
	upload      = "/" + serviceName + "/Upload"
	chat        = "/" + serviceName + "/Chat"
)

const (
	// chunkSize is the size of the messages of a stream.
	chunkSize = 32 << 10
	// largeChunk is the size of messages of which not even the first is sent again.
	largeChunk = 96 << 10
	// messageLimit is that of a client or server for one message, which has to hold a
	// body of 4 MiB.
	messageLimit = 8 << 20
)

var (
	downloadStream = grpc.StreamDesc{StreamName: "Download", ServerStreams: true, Handler: handleDownload}
	uploadStream   = grpc.StreamDesc{StreamName: "Upload", ClientStreams: true, Handler: handleUpload}
	chatStream     = grpc.StreamDesc{StreamName: "Chat", ServerStreams: true, ClientStreams: true, Handler: handleChat}
)

var echoService = grpc.ServiceDesc{
	ServiceName: serviceName,
	HandlerType: (*any)(nil),
	Methods:     []grpc.MethodDesc{{MethodName: "Unary", Handler: handleUnary}},
	Streams:     []grpc.StreamDesc{downloadStream, uploadStream, chatStream},
}

// handleUnary has the parameters of a [grpc.MethodHandler].
//
//nolint:revive // grpc's own order, in which the context is not the first
func handleUnary(_ any, ctx context.Context, decode func(any) error, intercept grpc.UnaryServerInterceptor) (any, error) {
	var in wrapperspb.BytesValue
	if err := decode(&in); err != nil {
		return nil, err
	}
	if intercept == nil {
		return &in, nil
	}
	info := &grpc.UnaryServerInfo{FullMethod: unary}
	return intercept(ctx, &in, info, func(_ context.Context, in any) (any, error) { return in, nil })
}

func handleDownload(_ any, s grpc.ServerStream) error {
	var in wrapperspb.BytesValue
	if err := s.RecvMsg(&in); err != nil {
		return err
	}
	for chunk := range slices.Chunk(in.GetValue(), chunkSize) {
		if err := s.SendMsg(wrapperspb.Bytes(chunk)); err != nil {
			return err
		}
	}
	return nil
}

func handleUpload(_ any, s grpc.ServerStream) error {
	body, err := receiveAll(s)
	if err != nil {
		return err
	}
	return s.SendMsg(wrapperspb.Bytes(body))
}

func handleChat(_ any, s grpc.ServerStream) error {
	for {
		var in wrapperspb.BytesValue
		if err := s.RecvMsg(&in); err != nil {
			return ended(err)
		}
		if err := s.SendMsg(&in); err != nil {
			return err
		}
	}
}

// receiveAll returns the bytes of all messages.
func receiveAll(s interface{ RecvMsg(m any) error }) ([]byte, error) {
	var all []byte
	for {
		var in wrapperspb.BytesValue
		if err := s.RecvMsg(&in); err != nil {
			return all, ended(err)
		}
		all = append(all, in.GetValue()...)
	}
}

// ended returns nil for the regular end of a stream.
func ended(err error) error {
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// same returns an error if the body has not arrived whole.
func same(echo, body []byte) error {
	if !bytes.Equal(echo, body) {
		return errors.New("the body has not arrived whole")
	}
	return nil
}
