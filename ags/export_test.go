package ags

import (
	"context"
	"crypto/tls"
	"net"
	"time"
)

// DialTimeout returns the timeout with which the client's own transport dials a host
// with these addresses.
func DialTimeout(ctx context.Context, address string, addresses []string, lookupErr error) (timeout time.Duration) {
	d := dialer{
		lookup: func(context.Context, string) ([]string, error) { return addresses, lookupErr },
		dial: func(_ context.Context, t time.Duration, _, _ string) (net.Conn, error) {
			timeout = t
			return nil, net.ErrClosed
		},
	}
	_, _ = d.DialContext(ctx, "tcp", address)
	return timeout
}

// TrustOnly sets the TLS configuration of a client without a caller's transport. The
// client must not have made a call.
func TrustOnly(c *Client, cfg *tls.Config) { c.settings().connections.own.TLSClientConfig = cfg }
