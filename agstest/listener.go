package agstest

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"sync"
)

// memoryHost is the host of the URL of a server in memory. It is a loopback name, so
// that clients which require HTTPS for other hosts accept it.
const memoryHost = "localhost"

// memoryListener is a [net.Listener] whose connections are in-memory pipes. Its waits
// are durably blocking, as a synctest bubble requires.
type memoryListener struct {
	conns chan net.Conn
	done  chan struct{} // closed by Close
	once  sync.Once
}

func newMemoryListener() *memoryListener {
	return &memoryListener{conns: make(chan net.Conn), done: make(chan struct{})}
}

// Accept waits for the next dial.
func (l *memoryListener) Accept() (net.Conn, error) {
	select {
	case conn := <-l.conns:
		return conn, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

// Close makes Accept and dial fail. It does not close accepted connections.
func (l *memoryListener) Close() error {
	l.once.Do(func() { close(l.done) })
	return nil
}

// Addr returns an address for use in a URL. Only dial can connect to it.
func (l *memoryListener) Addr() net.Addr {
	return &net.UnixAddr{Net: "memory", Name: memoryHost}
}

// dial returns the client's end of a new connection after the server has accepted
// the other end.
func (l *memoryListener) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	server, client := net.Pipe()
	select {
	case l.conns <- server:
		return client, nil
	case <-l.done:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// listen listens on a TCP address, by default on a free port of the IPv4 loopback
// address, or of the IPv6 one.
func listen(addr string) (net.Listener, error) {
	var l net.Listener
	var err error
	if addr != "" {
		l, err = net.Listen("tcp", addr)
	} else if l, err = net.Listen("tcp4", "127.0.0.1:0"); err != nil {
		l, err = net.Listen("tcp6", "[::1]:0")
	}
	if err != nil {
		return nil, fmt.Errorf("agstest: %w", err)
	}
	return l, nil
}

// dialLoopback connects to loopback addresses as they are, and to this server for
// all other addresses.
func (s *Server) dialLoopback(ctx context.Context, network, addr string) (net.Conn, error) {
	host, _, err := net.SplitHostPort(addr)
	if err != nil || !isLoopback(host) {
		addr = s.listener.Addr().String()
	}
	var d net.Dialer
	return d.DialContext(ctx, network, addr)
}

func isLoopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}
