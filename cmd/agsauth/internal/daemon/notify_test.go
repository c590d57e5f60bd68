package daemon_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/agstest"
	"github.com/agsauth/agsauth/cmd/agsauth/internal/daemon"
)

// manager is a service manager that is sent messages.
type manager struct {
	t      *testing.T
	conn   *net.UnixConn
	notify func(state ...string) error
}

func newManager(t *testing.T, socket string) *manager {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no such sockets")
	}
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: socket, Net: "unixgram"})
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	return &manager{t, conn, daemon.Notifier(socket)}
}

// next waits for a message.
func (m *manager) next() string {
	m.t.Helper()
	return m.read(time.Minute)
}

// told returns a message that has come, or nothing.
func (m *manager) told() string { return m.read(50 * time.Millisecond) }

func (m *manager) read(wait time.Duration) string {
	m.t.Helper()
	require.NoError(m.t, m.conn.SetReadDeadline(time.Now().Add(wait)))
	buf := make([]byte, 4096)
	n, err := m.conn.Read(buf)
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		require.NoError(m.t, err)
	}
	return string(buf[:n])
}

// shortDir returns a folder whose path fits into the address of a socket.
func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "ags")
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

func TestNotifier(t *testing.T) {
	assert.Nil(t, daemon.Notifier(""))
	sockets := []string{filepath.Join(shortDir(t), "notify")}
	if runtime.GOOS == "linux" {
		sockets = append(sockets, fmt.Sprintf("@agsauth-test-%d", os.Getpid()))
	}
	for _, socket := range sockets {
		m := newManager(t, socket)
		require.NoError(t, m.notify("READY=1", "STATUS=fine"))
		assert.Equal(t, "READY=1\nSTATUS=fine", m.next(), socket)
	}
	require.Error(t, daemon.Notifier(filepath.Join(shortDir(t), "gone"))("READY=1"))
}

// The gateway is away all the time: a service is ready when it can be used, and systemd
// would kill one that waits.
func TestDaemon_TellsTheServiceManager(t *testing.T) {
	r := newRig(t, agstest.Config{})
	r.gateway.Always(agstest.Refresh, agstest.Fault{Status: 503})
	m := newManager(t, filepath.Join(shortDir(t), "notify"))
	r.cfg.Notify = m.notify
	var reloads atomic.Int32
	r.cfg.Reload = func(context.Context) error {
		if reloads.Add(1) == 2 {
			return errors.New("unreadable")
		}
		return nil
	}
	r.start()
	assert.Equal(t, "READY=1\nSTATUS=not signed on; run: agsauth login", m.next())
	r.signOnElsewhere()
	assert.Regexp(t, `^STATUS=the session is fresh, the access token expires at \S+Z$`, m.next())

	for n := range 2 {
		r.reload <- syscall.SIGHUP
		first, usec, ok := strings.Cut(m.next(), "\nMONOTONIC_USEC=")
		assert.Equal(t, "RELOADING=1", first)
		if runtime.GOOS == "linux" {
			at, err := strconv.ParseInt(usec, 10, 64)
			require.NoError(t, err)
			assert.True(t, ok && at > 0)
		}
		assert.Equal(t, "READY=1", m.next())
		assert.EqualValues(t, n+1, reloads.Load())
	}
	assert.True(t, r.log.contains("what was read before stays in use"))
	r.becomes("/readyz", 200)

	r.stops <- syscall.SIGTERM
	assert.Equal(t, "STOPPING=1\nSTATUS=stopping", m.next())
	require.NoError(t, r.wantEnd())
}

func TestDaemon_WorksWithoutTheServiceManager(t *testing.T) {
	r := newRig(t, agstest.Config{})
	r.cfg.Notify = daemon.Notifier(filepath.Join(shortDir(t), "gone"))
	r.start()
	r.eventually("a failure is logged", func() bool { return r.log.contains("the service manager was not told") })
	r.becomes("/startupz", 200)
}
