package agstest

import (
	"net"
	"net/http"
	"sync"
	"time"
)

// Server is a gateway and an API that its tokens protect. Its methods are safe for
// concurrent use.
type Server struct {
	// URL is the server's base URL, of the form http://host:port without a trailing
	// slash. Do not change it.
	URL string

	cfg      Config // with defaults
	script   *script
	requests *requestLog
	listener net.Listener
	http     *http.Server
	client   *http.Transport
	closing  sync.Once
	done     chan struct{} // closed by Close

	// Close waits for both: for the goroutine that accepts connections, and for those
	// of net/http that serve them. Only the former adds to serving, so Close must
	// wait for accepting first.
	accepting, serving sync.WaitGroup

	mu    sync.Mutex // guards all below; not held during I/O, waits or a Fault's functions
	state *state
	skew  time.Duration
}

// NewServer starts a server. The caller must close it. NewServer panics if the server
// cannot listen on a loopback address, or if its dialect is unknown.
func NewServer(cfg Config) *Server {
	if !cfg.Dialect.isKnown() {
		panic("agstest: unknown dialect " + string(cfg.Dialect))
	}
	cfg = cfg.withDefaults()
	s := &Server{
		cfg: cfg, script: newScript(), requests: newRequestLog(), done: make(chan struct{}),
		state: newState(cfg), skew: cfg.Skew,
	}
	dial := s.dialLoopback
	if cfg.InMemory {
		l := newMemoryListener()
		s.listener, dial = l, l.dial
	} else {
		s.listener = listenLoopback()
	}
	s.URL = "http://" + s.listener.Addr().String()
	s.http = &http.Server{Handler: http.HandlerFunc(s.serve), ConnState: s.connState}
	s.client = &http.Transport{DialContext: dial, MaxIdleConnsPerHost: 64}
	s.accepting.Go(func() { _ = s.http.Serve(s.listener) })
	return s
}

// Client returns a new HTTP client, without a timeout, that connects to the server.
//
// The client connects to this server for every host that is not a loopback host, and,
// if the server is in memory, for every host. After a redirect to another host,
// [Server.Requests] therefore shows what that host would have received, and nothing
// leaves the machine.
//
// All clients of a server share their connections. Close closes them.
func (s *Server) Client() *http.Client { return &http.Client{Transport: s.client} }

// Close stops the server, and waits until its goroutines have ended. Requests in
// flight get no answer. Records and counts remain available. Close may be called more
// than once, but not by a function of a [Fault].
func (s *Server) Close() {
	s.closing.Do(func() { close(s.done) })
	_ = s.http.Close()
	s.accepting.Wait()
	s.serving.Wait()
	s.client.CloseIdleConnections()
}

// SetSkew sets by how much the server's clock is ahead of [Config].Clock. A negative
// skew means that it is behind. Expiry times of issued tokens do not change, so the
// tokens expire later or earlier.
func (s *Server) SetSkew(skew time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.skew = skew
}

// now returns the time on the server's clock.
func (s *Server) now() time.Time {
	s.mu.Lock()
	skew := s.skew
	s.mu.Unlock()
	return s.cfg.Clock.Now().Add(skew)
}

// connState counts the connections that net/http serves.
func (s *Server) connState(conn net.Conn, state http.ConnState) {
	switch state {
	case http.StateNew:
		s.serving.Add(1)
		// http.Server.Close may miss a connection that is accepted at the same time.
		// In that case, done is already closed.
		select {
		case <-s.done:
			_ = conn.Close()
		default:
		}
	case http.StateClosed, http.StateHijacked:
		s.serving.Done()
	case http.StateActive, http.StateIdle:
	}
}
