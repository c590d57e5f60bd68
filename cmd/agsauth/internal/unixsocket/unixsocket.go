// Package unixsocket prepares the path of a Unix socket.
package unixsocket

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"os"
	"syscall"
)

// The errors of a path that cannot be used.
var (
	ErrNoSocket = errors.New("it exists and is no socket")
	ErrInUse    = errors.New("another process listens there")
)

// RemoveStale removes a socket on which nobody listens any more, as a process that was
// killed leaves it. It returns [ErrNoSocket] or [ErrInUse] for what it must not remove, and
// nil if there is nothing at path.
func RemoveStale(ctx context.Context, path string) error {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case info.Mode().Type() != fs.ModeSocket:
		return ErrNoSocket
	}
	conn, err := new(net.Dialer).DialContext(ctx, "unix", path)
	switch {
	case err == nil:
		_ = conn.Close()
		return ErrInUse
	case !errors.Is(err, syscall.ECONNREFUSED):
		return err
	}
	return os.Remove(path)
}
