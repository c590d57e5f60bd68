package proxy

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"syscall"

	"github.com/agsauth/agsauth/cmd/agsauth/internal/unixsocket"
)

// ErrUnsafe is wrapped by the errors of listeners that others could use.
var ErrUnsafe = errors.New("refused as unsafe")

// openToOthersError is the error of a file or folder whose mode lets others use it. It wraps
// ErrUnsafe.
type openToOthersError struct {
	what, path string
	mode, want fs.FileMode
}

// Error says how to close it.
func (e *openToOthersError) Error() string {
	return fmt.Sprintf("proxy: the %s %s is open to other users (mode %04o); run: chmod %03o %s", e.what, e.path, e.mode, e.want, e.path)
}

// Unwrap returns ErrUnsafe.
func (*openToOthersError) Unwrap() error { return ErrUnsafe }

// ListenTCP listens on an address such as "127.0.0.1:8080", where port 0 is any free one.
// Any address but a loopback one requires TLS and a key, and is refused with ErrUnsafe
// otherwise. The configuration may be nil for a loopback address.
func ListenTCP(ctx context.Context, address string, config *tls.Config, hasKey bool) (net.Listener, error) {
	resolved, err := net.ResolveTCPAddr("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("proxy: listen on %q: %w: an address has the form host:port", address, err)
	}
	if !resolved.IP.IsLoopback() && (config == nil || !hasKey) {
		return nil, fmt.Errorf("proxy: listen on %q: %w: other machines can reach it; use 127.0.0.1, or set up TLS and a key", address, ErrUnsafe)
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", resolved.String())
	if err != nil {
		return nil, fmt.Errorf("proxy: %w; choose another port, or 0 for a free one", err)
	}
	if config == nil {
		return listener, nil
	}
	config = config.Clone()
	config.NextProtos = []string{"h2", "http/1.1"}
	return tls.NewListener(listener, config), nil
}

// ListenUnix listens on a socket in a folder that only its owner can enter. It makes the
// folder, or refuses with ErrUnsafe one that is open to others. A socket that nobody
// listens on any more is replaced.
func ListenUnix(ctx context.Context, path string) (net.Listener, error) {
	if runtime.GOOS == "windows" {
		return nil, errors.New("proxy: a socket has no safe permissions on Windows: listen on a port of 127.0.0.1")
	}
	if err := prepareFolder(filepath.Dir(path)); err != nil {
		return nil, err
	}
	switch err := unixsocket.RemoveStale(ctx, path); {
	case errors.Is(err, unixsocket.ErrNoSocket):
		return nil, fmt.Errorf("proxy: %s exists and is no socket: choose another path", path)
	case errors.Is(err, unixsocket.ErrInUse):
		return nil, fmt.Errorf("proxy: another process listens on %s: stop it, or choose another path", path)
	case err != nil:
		return nil, fmt.Errorf("proxy: socket: %w", err)
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "unix", path)
	if errors.Is(err, syscall.EINVAL) {
		return nil, fmt.Errorf("proxy: %w: the path of a socket must be shorter than about 100 bytes", err)
	}
	if err != nil {
		return nil, fmt.Errorf("proxy: %w", err)
	}
	return listener, nil
}

// prepareFolder makes the folder of a socket, or checks it.
func prepareFolder(folder string) error {
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return fmt.Errorf("proxy: make the folder of the socket: %w", err)
	}
	info, err := os.Stat(folder)
	if err != nil {
		return fmt.Errorf("proxy: folder of the socket: %w", err)
	}
	if !isOwn(info) {
		return fmt.Errorf("proxy: the folder %s %w: it belongs to another user", folder, ErrUnsafe)
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return &openToOthersError{"folder", folder, mode, 0o700}
	}
	return nil
}
