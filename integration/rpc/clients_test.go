package rpc_test

import (
	"io"
	"slices"
	"sync/atomic"
	"testing"

	"google.golang.org/grpc/grpclog"

	"github.com/agsauth/agsauth/integration/internal/harness"
	"github.com/agsauth/agsauth/internal/leak"
)

// grpcLog is where grpc's logger writes. It has one for the whole process.
var grpcLog currentLog

type currentLog struct{ atomic.Pointer[harness.Log] }

// Write implements [io.Writer].
func (l *currentLog) Write(p []byte) (int, error) {
	if log := l.Load(); log != nil {
		return log.Write(p)
	}
	return len(p), nil
}

func TestMain(m *testing.M) {
	// grpc writes a message of a level to the writers of the lower levels, too.
	grpclog.SetLoggerV2(grpclog.NewLoggerV2WithVerbosity(&grpcLog, io.Discard, io.Discard, 99))
	leak.Main(m)
}

var clients = slices.Concat(grpcClients, connectClients)

func TestClients(t *testing.T) {
	for _, c := range clients {
		t.Run(c.Name, func(t *testing.T) { harness.Run(t, c) })
	}
}

func TestPage(t *testing.T) { harness.CheckPage(t, "../../docs/clients.md", "RPC", clients) }
