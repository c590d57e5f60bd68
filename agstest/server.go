package agstest

import (
	"crypto/tls"
	"io"
	"log"
	"net"
	"net/http"
	"sync"
	"time"
)

// Server is a gateway and an API that its tokens protect. Its methods are safe for
// concurrent use.
type Server struct {
	// URL is the server's base URL without a trailing slash: [Config].AdvertiseURL, or
	// http://host:port, or https://host:port with a certificate. Do not change it.
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

// NewServer starts a server. The caller must close it. NewServer panics where [Listen]
// returns an error.
func NewServer(cfg Config) *Server {
	s, err := Listen(cfg)
	if err != nil {
		panic(err.Error())
	}
	return s
}

// Listen starts a server. The caller must close it. Listen returns an error if the
// server cannot listen on Config.Addr, or if a field of the Config is invalid.
func Listen(cfg Config) (*Server, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	cfg = cfg.withDefaults()
	s := &Server{
		cfg: cfg, script: newScript(), requests: newRequestLog(), done: make(chan struct{}),
		state: newState(cfg), skew: cfg.Skew,
	}
	serverTLS, clientTLS, err := cfg.Certificate.configs()
	if err != nil {
		return nil, err
	}
	dial := s.dialLoopback
	if cfg.InMemory {
		l := newMemoryListener()
		s.listener, dial = l, l.dial
	} else if s.listener, err = listen(cfg.Addr); err != nil {
		return nil, err
	}
	s.URL = cfg.urlOf(s.listener.Addr())
	s.http = &http.Server{Handler: s.Handler(), ConnState: s.connState}
	s.client = &http.Transport{DialContext: dial, TLSClientConfig: clientTLS, MaxIdleConnsPerHost: 64}
	l := s.listener
	if serverTLS != nil {
		l = tls.NewListener(l, serverTLS)
		s.http.ErrorLog = log.New(io.Discard, "", 0) // a client that does not trust us is no news
	}
	s.accepting.Go(func() { _ = s.http.Serve(l) })
	return s, nil
}

// Handler returns the server as a handler, for a test that has a listener or a mux of
// its own: the gateway and its API, at the paths that the server's own listener serves.
// Its requests are recorded and get their faults as all others do. Set
// [Config].InMemory if no socket is needed, and AdvertiseURL to the URL of the handler.
//
// For [Lost] and other faults, the handler panics with [http.ErrAbortHandler], as an
// HTTP server expects. Close ends its waits, but does not wait for its requests.
func (s *Server) Handler() http.Handler { return http.HandlerFunc(s.serve) }

// Addr returns the address on which the server listens.
func (s *Server) Addr() net.Addr { return s.listener.Addr() }

// Client returns a new HTTP client, without a timeout, that connects to the server.
//
// The client connects to this server for every host that is not a loopback host, and,
// if the server is in memory, for every host. After a redirect to another host,
// [Server.Requests] therefore shows what that host would have received, and nothing
// leaves the machine.
//
// If the server has a certificate, the client trusts its authority, and accepts it for
// every host.
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

// Advance moves the server's clock ahead by d, in addition to its skew. Timers that are
// already set, such as those of delays, are not affected.
func (s *Server) Advance(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.skew += d
}

// Skew returns by how much the server's clock is ahead of [Config].Clock.
func (s *Server) Skew() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.skew
}

// now returns the time on the server's clock.
func (s *Server) now() time.Time {
	return s.cfg.Clock.Now().Add(s.Skew())
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
