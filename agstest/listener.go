package agstest

import (
	"context"
	"net"
	"sync"
)

// memoryListener is a [net.Listener] whose connections are pairs of pipes. All
// that waits in it waits on channels and timers of whoever made it, which is what
// a synctest bubble needs to know that nothing more can happen.
type memoryListener struct {
	conns chan net.Conn
	done  chan struct{} // closed by Close
	once  sync.Once
}

func newMemoryListener() *memoryListener {
	return &memoryListener{conns: make(chan net.Conn), done: make(chan struct{})}
}

// Accept waits for the next dial, or for Close.
func (l *memoryListener) Accept() (net.Conn, error) {
	select {
	case conn := <-l.conns:
		return conn, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

// Close ends Accept and all later dials. Connections made are not its business.
func (l *memoryListener) Close() error {
	l.once.Do(func() { close(l.done) })
	return nil
}

// Addr returns an address of the form that URLs have, though nobody can dial it.
func (l *memoryListener) Addr() net.Addr {
	return &net.UnixAddr{Net: "memory", Name: memoryHost}
}

// dial returns the client's end of a new connection once the server's end was
// accepted.
func (l *memoryListener) dial(ctx context.Context) (net.Conn, error) {
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
