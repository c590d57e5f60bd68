package rpc_test

import (
	"context"
	"slices"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

func callUnary(ctx context.Context, conn grpc.ClientConnInterface, body []byte) error {
	var out wrapperspb.BytesValue
	if err := conn.Invoke(ctx, unary, wrapperspb.Bytes(body), &out); err != nil {
		return err
	}
	return same(out.GetValue(), body)
}

func callDownload(ctx context.Context, conn grpc.ClientConnInterface, body []byte) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	s, err := conn.NewStream(ctx, &downloadStream, download)
	if err != nil {
		return err
	}
	if err := ended(s.SendMsg(wrapperspb.Bytes(body))); err != nil {
		return err
	}
	if err := s.CloseSend(); err != nil {
		return err
	}
	all, err := receiveAll(s)
	if err != nil {
		return err
	}
	return same(all, body)
}

func callUpload(ctx context.Context, conn grpc.ClientConnInterface, body []byte) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	s, err := conn.NewStream(ctx, &uploadStream, upload)
	if err != nil {
		return err
	}
	for chunk := range slices.Chunk(body, largeChunk) {
		// After io.EOF, RecvMsg returns the status.
		if err := ended(s.SendMsg(wrapperspb.Bytes(chunk))); err != nil {
			return err
		}
	}
	if err := s.CloseSend(); err != nil {
		return err
	}
	var out wrapperspb.BytesValue
	if err := s.RecvMsg(&out); err != nil {
		return err
	}
	return same(out.GetValue(), body)
}

func callChat(ctx context.Context, conn grpc.ClientConnInterface, body []byte) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	s, err := conn.NewStream(ctx, &chatStream, chat)
	if err != nil {
		return err
	}
	for chunk := range slices.Chunk(body, chunkSize) {
		if err := ended(s.SendMsg(wrapperspb.Bytes(chunk))); err != nil {
			return err
		}
		var out wrapperspb.BytesValue
		if err := s.RecvMsg(&out); err != nil {
			return err
		}
		if err := same(out.GetValue(), chunk); err != nil {
			return err
		}
	}
	if err := s.CloseSend(); err != nil {
		return err
	}
	_, err = receiveAll(s)
	return err
}
