package ags

import (
	"context"
	"net"
	"time"
)

// DialFor returns the timeout with which the client's own transport dials a host that
// has these addresses.
func DialFor(ctx context.Context, address string, addresses []string, lookup error) (timeout time.Duration) {
	d := dialer{
		addresses: func(context.Context, string) ([]string, error) { return addresses, lookup },
		dial: func(_ context.Context, t time.Duration, _, _ string) (net.Conn, error) {
			timeout = t
			return nil, net.ErrClosed
		},
	}
	_, _ = d.DialContext(ctx, "tcp", address)
	return timeout
}
