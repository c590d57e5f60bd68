package proxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"time"

	"github.com/agsauth/agsauth/cmd/agsauth/internal/reachable"
)

// ErrCutOff is returned by Serve if requests were still in flight at the end of
// Config.DrainTimeout.
var ErrCutOff = errors.New("proxy: requests in flight were cut off")

// idleTimeout is how long a client's idle connection is kept.
const idleTimeout = 2 * time.Minute

// Serve serves the listeners until ctx ends or one of them fails. It then stops accepting,
// waits until the requests in flight have ended, at most for Config.DrainTimeout, and cuts
// off the rest. It closes the listeners and returns nil after an end of ctx in good order.
// Call it once.
func (p *Proxy) Serve(ctx context.Context, listeners ...net.Listener) error {
	for _, listener := range listeners {
		if isUpstream(listener.Addr(), p.cfg.Upstream) {
			_ = listener.Close()
			return fmt.Errorf("proxy: the upstream %s is the proxy itself", p.cfg.Upstream)
		}
	}
	base, cutOff := context.WithCancelCause(context.WithoutCancel(ctx))
	defer cutOff(http.ErrServerClosed)
	defer p.sender.CloseIdleConnections()
	server := p.server(base)
	var serving sync.WaitGroup
	defer serving.Wait()
	failed := make(chan error, len(listeners))
	for _, listener := range listeners {
		serving.Go(func() {
			if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
				failed <- fmt.Errorf("proxy: serve %s: %w", listener.Addr(), err)
			}
		})
	}
	var err error
	select {
	case <-ctx.Done():
	case err = <-failed:
	}
	return errors.Join(err, p.drain(base, server, cutOff))
}

// isUpstream reports whether a listener would get the requests for the upstream: they would
// go round without end.
func isUpstream(addr net.Addr, upstream *url.URL) bool {
	tcp, ok := addr.(*net.TCPAddr)
	return ok && reachable.IsLoopback(upstream.Hostname()) && portOf(upstream) == strconv.Itoa(tcp.Port)
}

func (p *Proxy) server(base context.Context) *http.Server {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetHTTP2(true)
	protocols.SetUnencryptedHTTP2(true)
	return &http.Server{
		Handler:   p,
		Protocols: protocols,
		// No timeouts for bodies: an upload or a stream may take a day.
		ReadHeaderTimeout: p.cfg.HeaderTimeout,
		IdleTimeout:       idleTimeout,
		// Otherwise net/http would answer "OPTIONS *" before the request is judged.
		DisableGeneralOptionsHandler: true,
		BaseContext:                  func(net.Listener) context.Context { return base },
		ErrorLog:                     log.New(io.Discard, "", 0),
	}
}

// drain ends the server in good order, if that is possible within Config.DrainTimeout.
func (p *Proxy) drain(base context.Context, server *http.Server, cutOff context.CancelCauseFunc) error {
	limited, cancel := context.WithTimeout(base, p.cfg.DrainTimeout)
	defer cancel()
	_ = server.Shutdown(limited) // its error is that of limited
	if p.awaitIdle(limited) {
		return nil
	}
	cutOff(ErrCutOff)
	_ = server.Close()
	// A handler ends as soon as it notices that its request has ended.
	grace, cancelGrace := context.WithTimeout(context.WithoutCancel(base), 5*time.Second)
	defer cancelGrace()
	p.awaitIdle(grace)
	return ErrCutOff
}

// awaitIdle waits until no request is in flight. Shutdown does not wait for those that have
// switched protocols.
func (p *Proxy) awaitIdle(ctx context.Context) bool {
	for p.inFlight.Load() > 0 {
		select {
		case <-p.idle:
		case <-ctx.Done():
			return p.inFlight.Load() == 0
		}
	}
	return ctx.Err() == nil
}
