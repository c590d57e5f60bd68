package daemon

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"strings"

	"github.com/agsauth/agsauth/cmd/agsauth/internal/reachable"
	"github.com/agsauth/agsauth/cmd/agsauth/internal/unixsocket"
)

// IsAddress reports whether Listen can understand an address.
func IsAddress(address string) bool {
	if strings.HasPrefix(address, "unix:") {
		return true
	}
	_, port, err := net.SplitHostPort(address)
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	return err == nil
}

// Listen listens on an address for probes and metrics: HOST:PORT, where port 0 is any free
// one, or unix:PATH. A socket on which nobody listens any more is replaced.
func Listen(ctx context.Context, address string) (net.Listener, error) {
	var config net.ListenConfig
	path, isSocket := strings.CutPrefix(address, "unix:")
	if !isSocket {
		return config.Listen(ctx, "tcp", address)
	}
	if path == "" {
		return nil, fmt.Errorf("listen on %q: there is no path; write unix:PATH", address)
	}
	if err := unixsocket.RemoveStale(ctx, path); err != nil {
		return nil, fmt.Errorf("listen on %s: %w", address, err)
	}
	return config.Listen(ctx, "unix", path)
}

// URLOf returns the address of a listener in the form that [Health] takes.
func URLOf(a net.Addr) string {
	if a.Network() == "unix" {
		return "unix:" + a.String()
	}
	return "http://" + reachable.HostPort(a)
}
