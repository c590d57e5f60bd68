// Package rpc checks the Source inside google.golang.org/grpc and connectrpc.com/connect.
package rpc
