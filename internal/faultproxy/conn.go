package faultproxy

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"io"
	"net"
	"net/http"
)

// Conn is one connection from a client. It must be used by one goroutine.
type Conn struct {
	// Client is the decrypted connection to the client. Its first read or write makes
	// the TLS handshake.
	Client net.Conn
	// Wire is the TCP connection below it.
	Wire net.Conn

	proxy *Proxy
	ended bool
}

func newConn(p *Proxy, wire net.Conn) *Conn {
	return &Conn{Client: tls.Server(wire, p.tls), Wire: wire, proxy: p}
}

func (c *Conn) run(fault Fault) {
	defer func() { _ = c.Wire.Close() }()
	fault(c)
	if !c.ended {
		_, _ = io.Copy(io.Discard, c.Wire)
	}
}

// Stuck marks the point from which the connection makes no progress: see
// [Proxy.AwaitStuck].
func (c *Conn) Stuck() {
	select {
	case c.proxy.stuck <- struct{}{}:
	default: // the buffer is full, and no test waits for so many
	}
}

// End closes the TCP connection without a TLS alert, as a crashing process does.
func (c *Conn) End() {
	c.ended = true
	_ = c.Wire.Close()
}

// Reset resets the TCP connection.
func (c *Conn) Reset() {
	if tcp, ok := c.Wire.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	c.End()
}

// Request reads a whole request and returns its bytes, or nil on an error.
func (c *Conn) Request() []byte {
	var raw bytes.Buffer
	req, err := http.ReadRequest(bufio.NewReader(io.TeeReader(c.Client, &raw)))
	if err == nil {
		_, err = io.Copy(io.Discard, req.Body)
	}
	if err != nil {
		return nil
	}
	return raw.Bytes()
}

// Exchange forwards a request to the server and returns the bytes of the response, or
// nil on an error.
func (c *Conn) Exchange(request []byte) []byte {
	if request == nil {
		return nil
	}
	server, err := net.Dial("tcp", c.proxy.target)
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

// Write writes to the client, and reports whether it succeeded.
func (c *Conn) Write(p []byte) bool {
	_, err := c.Client.Write(p)
	return err == nil
}
