package grpcagsauth_test

import (
	"bytes"
	"sync"
	"testing"

	"google.golang.org/grpc/grpclog"

	"github.com/agsauth/agsauth/internal/leak"
)

// grpcLog is everything that gRPC logs, in its most talkative setting.
var grpcLog logBuffer

func TestMain(m *testing.M) {
	grpclog.SetLoggerV2(grpclog.NewLoggerV2WithVerbosity(&grpcLog, &grpcLog, &grpcLog, 99))
	leak.Main(m)
}

// logBuffer is a log in memory. It is safe for concurrent use.
type logBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logBuffer) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(b)
}

// contains reports whether the log has this text.
func (l *logBuffer) contains(text string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return bytes.Contains(l.buf.Bytes(), []byte(text))
}
