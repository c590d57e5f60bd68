package rpc_test

import (
	"context"

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
