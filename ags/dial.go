package ags

import (
	"context"
	"net"
	"time"
)

// dialTimeout bounds the attempt to connect to one address. A host may have
// several, of which one does not respond.
const dialTimeout = 5 * time.Second

// dialer connects to the gateway and gives each address of a host dialTimeout.
type dialer struct {
	lookup func(ctx context.Context, host string) ([]string, error)
	dial   func(ctx context.Context, timeout time.Duration, network, address string) (net.Conn, error)
}

// newDialer returns a dialer with the system's resolver.
func newDialer() dialer {
	return dialer{
		lookup: func(ctx context.Context, host string) ([]string, error) {
			return net.DefaultResolver.LookupHost(ctx, host)
		},
		dial: func(ctx context.Context, timeout time.Duration, network, address string) (net.Conn, error) {
			return (&net.Dialer{Timeout: timeout, KeepAlive: 30 * time.Second}).DialContext(ctx, network, address)
		},
	}
}

// DialContext connects to one of the addresses of a host. A net.Dialer divides its
// timeout evenly among them, so it is given their number times dialTimeout.
func (d dialer) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	timeout := dialTimeout
	if host, _, err := net.SplitHostPort(address); err == nil {
		lookupCtx, cancel := context.WithTimeout(ctx, dialTimeout)
		addresses, err := d.lookup(lookupCtx, host)
		cancel()
		if err == nil {
			timeout *= time.Duration(max(1, len(addresses)))
		}
	}
	return d.dial(ctx, timeout, network, address)
}
