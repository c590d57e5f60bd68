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

// patience bounds what a client must do at once. It is generous, so that only a
// client that never does it exceeds it, and not one on a busy machine.
const patience = 2 * time.Minute

// Road takes connections, and passes what they ask for on to a server. All its
// methods are safe for concurrent use.
type Road struct {
	// URL is the base to call instead of the server's: https, a loopback address
	// and a port. It is not to be changed.
	URL string
	// Authority has signed the certificate of the road.
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
	open  map[net.Conn]bool // each has a goroutine, which takes it out at its end
	ended chan struct{}     // closed, and replaced, whenever one has ended
}

// Fault is what befalls a connection. It is called once for each, on a goroutine
// of its own. When it returns, what the client still sends is read and thrown
// away, until the client closes the connection; unless [Trip.End] or [Trip.Reset]
// has done so before.
type Fault func(*Trip)

// New returns a road to the server of a URL, without a fault. It lasts until the
// test ends.
func New(tb testing.TB, server string) *Road {
	tb.Helper()
	listener, err := net.ListenTCP("tcp4", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		tb.Fatal(err)
	}
	r := &Road{
		URL: "https://" + listener.Addr().String(), Authority: NewAuthority(tb),
		tb: tb, target: strings.TrimPrefix(server, "http://"), listener: listener,
		stuck: make(chan struct{}, 64), fault: Clear,
		open: map[net.Conn]bool{}, ended: make(chan struct{}),
	}
	r.tls = r.Authority.Server(tb, Leaf{})
	r.transport = &http.Transport{
		TLSClientConfig:        &tls.Config{RootCAs: r.Authority.Pool(), MinVersion: tls.VersionTLS12},
		MaxResponseHeaderBytes: 1 << 20, // what is usual takes seconds to get through
	}
	tb.Cleanup(r.close)
	r.accepting.Go(r.accept)
	return r
}

// Transport returns the client's side: a usual one that trusts the road's
// certificate. All calls return the same one.
func (r *Road) Transport() *http.Transport { return r.transport }

// Set has a fault befall every connection that is made from now on, and ends
// those that are idle. Nil is [Clear].
func (r *Road) Set(fault Fault) {
	if fault == nil {
		fault = Clear
	}
	r.mu.Lock()
	r.fault = fault
	r.mu.Unlock()
	r.transport.CloseIdleConnections()
}

// Trips returns how many connections were made.
func (r *Road) Trips() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.count
}

// AwaitStuck waits until a connection has come to where nothing more happens: see
// [Hazard].Stuck. The test fails if none does.
func (r *Road) AwaitStuck() {
	r.tb.Helper()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-r.stuck:
	case <-timer.C:
		r.tb.Fatal("no connection has come to where it is stuck")
	}
}

// AwaitGone waits until the client has closed every connection, idle ones
// included, which are closed for it. The test fails if it does not.
func (r *Road) AwaitGone() {
	r.tb.Helper()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	// net/http lets go of what is idle, and of a handshake that nobody waits for
	// any more, when it is asked to; and some may be about to become that.
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	for {
		r.transport.CloseIdleConnections()
		open, ended := r.look()
		if open == 0 {
			return
		}
		select {
		case <-ended:
		case <-ticker.C:
		case <-timer.C:
			r.tb.Errorf("%d connections were left open by the client", open)
			r.hangUp()
		}
	}
}

func (r *Road) look() (open int, ended <-chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.open), r.ended
}

func (r *Road) close() {
	_ = r.listener.Close()
	r.accepting.Wait()
	r.AwaitGone()
}

func (r *Road) hangUp() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for conn := range r.open {
		_ = conn.Close()
	}
}

func (r *Road) accept() {
	for {
		conn, err := r.listener.Accept()
		if err != nil {
			return
		}
		r.mu.Lock()
		fault := r.fault
		r.count++
		r.open[conn] = true
		r.mu.Unlock()
		go r.travel(conn, fault)
	}
}

func (r *Road) travel(conn net.Conn, fault Fault) {
	newTrip(r, conn).befall(fault)
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.open, conn)
	close(r.ended)
	r.ended = make(chan struct{})
}
