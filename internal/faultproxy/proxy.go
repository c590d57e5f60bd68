package faultproxy

import (
	"crypto/tls"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// timeout limits the waits of a test. It is generous, so that a busy machine does not
// exceed it.
const timeout = 2 * time.Minute

// Proxy forwards connections to a server, and applies a fault to each. All its methods
// are safe for concurrent use.
type Proxy struct {
	// URL is the base URL of the proxy: https, a loopback address and a port. It must
	// not be changed.
	URL string
	// Authority has signed the certificate of the proxy.
	Authority *Authority

	tb        testing.TB
	target    string
	listener  net.Listener
	tls       *tls.Config
	transport *http.Transport
	stuck     chan struct{}

	accepting sync.WaitGroup // counts the goroutine that accepts

	mu    sync.Mutex // guards all below
	fault Fault
	count int
	open  map[net.Conn]bool // each has a goroutine that removes it at its end
	ended chan struct{}     // closed and replaced when a connection has ended
}

// Fault handles one connection, on a goroutine of its own. After it has returned, the
// proxy discards what the client sends until the client closes the connection, unless
// [Conn.End] or [Conn.Reset] was called.
type Fault func(*Conn)

// New starts a proxy to the server of a URL, without a fault. It runs until the test
// ends.
func New(tb testing.TB, server string) *Proxy {
	tb.Helper()
	listener, err := net.ListenTCP("tcp4", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		tb.Fatal(err)
	}
	p := &Proxy{
		URL: "https://" + listener.Addr().String(), Authority: NewAuthority(tb),
		tb: tb, target: strings.TrimPrefix(server, "http://"), listener: listener,
		stuck: make(chan struct{}, 64), fault: PassThrough,
		open: map[net.Conn]bool{}, ended: make(chan struct{}),
	}
	p.tls = p.Authority.Server(tb, Leaf{})
	p.transport = &http.Transport{
		TLSClientConfig:        &tls.Config{RootCAs: p.Authority.Pool(), MinVersion: tls.VersionTLS12},
		MaxResponseHeaderBytes: 1 << 20, // the default takes seconds to transfer
	}
	tb.Cleanup(p.close)
	p.accepting.Go(p.accept)
	return p
}

// Transport returns a transport that trusts the proxy's certificate. All calls return
// the same one.
func (p *Proxy) Transport() *http.Transport { return p.transport }

// Set applies a fault to all new connections, and closes idle ones. Nil is
// [PassThrough].
func (p *Proxy) Set(fault Fault) {
	if fault == nil {
		fault = PassThrough
	}
	p.mu.Lock()
	p.fault = fault
	p.mu.Unlock()
	p.transport.CloseIdleConnections()
}

// Connections returns how many connections the proxy has accepted.
func (p *Proxy) Connections() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.count
}

// AwaitStuck waits until a connection makes no more progress: see [Scenario].Stuck. It
// fails the test after a timeout.
func (p *Proxy) AwaitStuck() {
	p.tb.Helper()
	timer := time.NewTimer(timeout)
	defer timer.Stop()
	select {
	case <-p.stuck:
	case <-timer.C:
		p.tb.Fatal("no connection is stuck")
	}
}

// AwaitClosed waits until the client has closed all connections, and fails the test
// after a timeout. It closes the idle connections of the transport.
func (p *Proxy) AwaitClosed() {
	p.tb.Helper()
	timer := time.NewTimer(timeout)
	defer timer.Stop()
	// A connection may become idle at any time, and net/http closes idle ones only on
	// request.
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	for {
		p.transport.CloseIdleConnections()
		open, ended := p.state()
		if open == 0 {
			return
		}
		select {
		case <-ended:
		case <-ticker.C:
		case <-timer.C:
			p.tb.Errorf("%d connections were left open by the client", open)
			p.closeAll()
		}
	}
}

func (p *Proxy) state() (open int, ended <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.open), p.ended
}

func (p *Proxy) close() {
	_ = p.listener.Close()
	p.accepting.Wait()
	p.AwaitClosed()
}

func (p *Proxy) closeAll() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for conn := range p.open {
		_ = conn.Close()
	}
}

func (p *Proxy) accept() {
	for {
		conn, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.mu.Lock()
		fault := p.fault
		p.count++
		p.open[conn] = true
		p.mu.Unlock()
		go p.handle(conn, fault)
	}
}

func (p *Proxy) handle(conn net.Conn, fault Fault) {
	newConn(p, conn).run(fault)
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.open, conn)
	close(p.ended)
	p.ended = make(chan struct{})
}
