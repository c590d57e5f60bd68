package ags

import (
	"context"
	"fmt"
	"net"
	"time"

	"github.com/agsauth/agsauth/clock"
)

// defaultTimeout is what a zero [Config.Timeout] means.
const defaultTimeout = 30 * time.Second

// dialTimeout is how long an attempt to connect to one address of the gateway may
// take: a name may have several, of which one does not answer.
const dialTimeout = 5 * time.Second

// timeoutError is the cause of an attempt's end after [Config.Timeout].
type timeoutError struct{ after time.Duration }

func (e timeoutError) Error() string { return fmt.Sprintf("no whole answer within %v", e.after) }

// Is makes the error one that means the end of a deadline.
func (timeoutError) Is(target error) bool { return target == context.DeadlineExceeded }

// Timeout makes the error, with Temporary, a [net.Error].
func (timeoutError) Timeout() bool { return true }

// Temporary reports true, as [net.Error] wants it for a timeout.
func (timeoutError) Temporary() bool { return true }

// withTimeout returns a context that ends with a timeoutError after d on c. stop must
// be called; it waits for the goroutine that watches the timer.
func withTimeout(ctx context.Context, c clock.Clock, d time.Duration) (limited context.Context, stop func()) {
	limited, cancel := context.WithCancelCause(ctx)
	timer := c.NewTimer(d)
	watching := make(chan struct{})
	go func() {
		defer close(watching)
		select {
		case <-timer.C():
			cancel(timeoutError{d})
		case <-limited.Done():
		}
	}()
	return limited, func() {
		timer.Stop()
		cancel(nil)
		<-watching
	}
}

// dialer connects to the gateway. It gives each address of a host its own time, which
// the net package takes from one timeout for all of them.
type dialer struct {
	addresses func(ctx context.Context, host string) ([]string, error)
	dial      func(ctx context.Context, timeout time.Duration, network, address string) (net.Conn, error)
}

// newDialer returns a dialer with the system's resolver.
func newDialer() dialer {
	return dialer{
		addresses: func(ctx context.Context, host string) ([]string, error) {
			return net.DefaultResolver.LookupHost(ctx, host)
		},
		dial: func(ctx context.Context, timeout time.Duration, network, address string) (net.Conn, error) {
			return (&net.Dialer{Timeout: timeout, KeepAlive: 30 * time.Second}).DialContext(ctx, network, address)
		},
	}
}

// DialContext connects to one of the addresses of a host. The net package divides what
// it is given evenly between them, and tries both families at once.
func (d dialer) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	timeout := dialTimeout
	if host, _, err := net.SplitHostPort(address); err == nil {
		lookup, cancel := context.WithTimeout(ctx, dialTimeout)
		addresses, err := d.addresses(lookup, host)
		cancel()
		if err == nil {
			timeout *= time.Duration(max(1, len(addresses)))
		}
	}
	return d.dial(ctx, timeout, network, address)
}
