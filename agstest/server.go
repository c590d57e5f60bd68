package agstest

import (
	"context"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"
)

// memoryHost is the host of the URL of a server in memory: a loopback one, so
// that a client that insists on https elsewhere takes it.
const memoryHost = "localhost"

// Server is a gateway and an API protected by its tokens, listening since
// [NewServer]. All its methods are safe for concurrent use.
type Server struct {
	// URL is the server's base, of the form http://host:port without a trailing
	// slash. It is not to be changed.
	URL string

	cfg      Config // with defaults
	script   *script
	journal  *journal
	listener net.Listener
	dial     func(ctx context.Context, network, addr string) (net.Conn, error)
	http     *http.Server
	client   *http.Transport
	closing  sync.Once
	done     chan struct{} // closed by Close

	// running counts the goroutine that accepts, started by NewServer, and those
	// of net/http that each serve a connection; Close waits for it. Connections
	// are added by the accepting goroutine, and so never after the wait for it.
	accepting, running sync.WaitGroup

	mu    sync.Mutex // guards all below; never held across I/O, a wait or a function of the user's
	books *books
	skew  time.Duration
}

// NewServer returns a server that is listening. It is to be closed. It panics if
// the machine has no loopback address to listen on.
func NewServer(cfg Config) *Server {
	cfg = cfg.withDefaults()
	s := &Server{
		cfg: cfg, script: newScript(), journal: newJournal(), done: make(chan struct{}),
		books: newBooks(cfg), skew: cfg.Skew,
	}
	if cfg.InMemory {
		l := newMemoryListener()
		s.listener = l
		s.dial = func(ctx context.Context, _, _ string) (net.Conn, error) { return l.dial(ctx) }
	} else {
		s.listener = listenLoopback()
		s.dial = s.dialLoopback
	}
	s.URL = "http://" + s.listener.Addr().String()
	s.http = &http.Server{Handler: http.HandlerFunc(s.serve), ConnState: s.connState}
	s.client = &http.Transport{DialContext: s.dial, MaxIdleConnsPerHost: 64}
	s.accepting.Go(func() { _ = s.http.Serve(s.listener) })
	return s
}

// Client returns a new HTTP client that reaches the server, without a timeout.
// Whatever other host a URL names, loopback ones excepted, it is this server that
// is called: what a stranger would be sent, after a redirect for one, is found in
// its records (see [Request].Host), and nothing leaves the machine. A server in
// memory answers for loopback hosts as well.
//
// All clients of a server share their connections, which Close closes.
func (s *Server) Client() *http.Client { return &http.Client{Transport: s.client} }

// Close stops listening, ends all connections and all waits of requests under
// way, which get no answer, and returns when the server's goroutines have ended.
// What was recorded can still be looked at. It may be called more than once, but
// not by a function of a [Fault], for whose end it would wait.
func (s *Server) Close() {
	s.closing.Do(func() { close(s.done) })
	_ = s.http.Close()
	s.accepting.Wait()
	s.running.Wait()
	s.client.CloseIdleConnections()
}

// SetSkew sets by how much the server's clock is ahead of [Config].Clock:
// negative, if it is behind. What was issued is not changed by it, and so runs
// out later or earlier.
func (s *Server) SetSkew(skew time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.skew = skew
}

// now is the server's own idea of the time.
func (s *Server) now() time.Time {
	s.mu.Lock()
	skew := s.skew
	s.mu.Unlock()
	return s.cfg.Clock.Now().Add(skew)
}

// connState counts the goroutines of net/http that serve connections.
func (s *Server) connState(conn net.Conn, state http.ConnState) {
	switch state {
	case http.StateNew:
		s.running.Add(1)
		// One that is accepted while http.Server.Close is at work may be missed by
		// it: it is in its list only if done was not closed yet.
		select {
		case <-s.done:
			_ = conn.Close()
		default:
		}
	case http.StateClosed, http.StateHijacked:
		s.running.Done()
	case http.StateActive, http.StateIdle:
	}
}

// dialLoopback dials loopback addresses as they are, and this server for all
// others.
func (s *Server) dialLoopback(ctx context.Context, network, addr string) (net.Conn, error) {
	host, _, err := net.SplitHostPort(addr)
	if ip, notIP := netip.ParseAddr(host); err != nil || host != memoryHost && (notIP != nil || !ip.IsLoopback()) {
		addr = s.listener.Addr().String()
	}
	var d net.Dialer
	return d.DialContext(ctx, network, addr)
}

// listenLoopback listens on a free port of whichever loopback address there is.
func listenLoopback() net.Listener {
	l, err := net.ListenTCP("tcp4", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		l, err = net.ListenTCP("tcp6", &net.TCPAddr{IP: net.IPv6loopback})
	}
	if err != nil {
		panic("agstest: no loopback address to listen on: " + err.Error())
	}
	return l
}
