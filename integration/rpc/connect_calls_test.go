package rpc_test

import (
	"context"
	"errors"
	"net/http"
	"slices"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

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
