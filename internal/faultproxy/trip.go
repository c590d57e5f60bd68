package faultproxy

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"io"
	"net"
	"net/http"
)

// Trip is one connection on its way. It is used by one goroutine.
type Trip struct {
	// Client is the client's end, in the clear. The TLS handshake is made by the
	// first read or write.
	Client net.Conn
	// Wire is what is beneath: what the client's machine sends and receives.
	Wire net.Conn

	road  *Road
	ended bool
}

func newTrip(r *Road, wire net.Conn) *Trip {
	return &Trip{Client: tls.Server(wire, r.tls), Wire: wire, road: r}
}

func (t *Trip) befall(fault Fault) {
	defer func() { _ = t.Wire.Close() }()
	fault(t)
	if !t.ended {
		_, _ = io.Copy(io.Discard, t.Wire)
	}
}

// Stuck says that nothing more will happen: see [Road.AwaitStuck].
func (t *Trip) Stuck() {
	select {
	case t.road.stuck <- struct{}{}:
	default: // nobody waits for that many
	}
}

// End closes the connection as a process that dies does: without a word of TLS.
func (t *Trip) End() {
	t.ended = true
	_ = t.Wire.Close()
}

// Reset breaks the connection off: what was under way is lost, and the client is
// told so.
func (t *Trip) Reset() {
	if tcp, ok := t.Wire.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	t.End()
}

// Request reads a request, whole, and returns it as the client wrote it. It
// returns nil where none comes.
func (t *Trip) Request() []byte {
	var raw bytes.Buffer
	req, err := http.ReadRequest(bufio.NewReader(io.TeeReader(t.Client, &raw)))
	if err == nil {
		_, err = io.Copy(io.Discard, req.Body)
	}
	if err != nil {
		return nil
	}
	return raw.Bytes()
}

// Exchange passes a request on, and returns the server's answer as that wrote it.
// It returns nil where there is none.
func (t *Trip) Exchange(request []byte) []byte {
	if request == nil {
		return nil
	}
	server, err := net.Dial("tcp", t.road.target)
	if err != nil {
		return nil
	}
	defer func() { _ = server.Close() }()
	if _, err := server.Write(request); err != nil {
		return nil
	}
	var raw bytes.Buffer
	resp, err := http.ReadResponse(bufio.NewReader(io.TeeReader(server, &raw)), nil)
	if err != nil {
		return nil
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return nil
	}
	return raw.Bytes()
}

// Write writes to the client, as far as that takes it, and reports whether it did.
func (t *Trip) Write(p []byte) bool {
	_, err := t.Client.Write(p)
	return err == nil
}
