package ags_test

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"io"
	"net"
	"net/http"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/ags"
	"github.com/agsauth/agsauth/internal/faultproxy"
)

// Types and flags of frames (RFC 9113, section 6).
const (
	frameData     = 0x0
	frameHeaders  = 0x1
	frameReset    = 0x3
	frameSettings = 0x4
	framePing     = 0x6
	frameGoAway   = 0x7

	flagAck        = 0x1
	flagEndStream  = 0x1
	flagEndHeaders = 0x4
)

// Error codes of resets (RFC 9113, section 7).
const (
	codeProtocol = 0x1
	codeRefused  = 0x7
)

// frameGateway is a gateway over HTTP/2 that writes its frames one by one. Its
// connections are pipes, so that it can be used in a synctest bubble.
type frameGateway struct {
	tls    *tls.Config
	client *tls.Config
	// answer is called with each complete request: on which connection and stream it
	// arrived, and its number, from 1, among all.
	answer func(c *frameConn, stream uint32, n int)
	served sync.WaitGroup

	mu       sync.Mutex // guards all below
	conns    []*frameConn
	requests int
	closed   bool
}

// frameConn is a connection of a frameGateway.
type frameConn struct {
	*tls.Conn
	out    chan []byte   // what is to be written, so that reading goes on meanwhile
	closed chan struct{} // closed when the client has closed the connection
	silent chan struct{} // closed by goSilent
	once   sync.Once
}

// newFrameGateway returns a gateway. Outside of a bubble its certificate is valid now.
func newFrameGateway(t *testing.T, answer func(c *frameConn, stream uint32, n int)) *frameGateway {
	t.Helper()
	authority := faultproxy.NewAuthority(t)
	g := &frameGateway{tls: authority.Server(t, faultproxy.Leaf{}), answer: answer}
	g.tls.NextProtos = []string{"h2"}
	now := time.Now()
	g.client = &tls.Config{RootCAs: authority.Pool(), MinVersion: tls.VersionTLS13, Time: func() time.Time { return now }}
	return g
}

// newClient returns a client of the gateway. When the test ends, it closes its
// connections.
func (g *frameGateway) newClient(t *testing.T, change func(*ags.Config)) *ags.Client {
	t.Helper()
	cfg := ags.Config{
		BaseURL: "https://127.0.0.1", AuthServiceID: "s", TenantID: "t", Retry: ags.Retry{Max: -1},
		HTTPClient: &http.Client{Transport: &http.Transport{
			TLSClientConfig: g.client.Clone(), ForceAttemptHTTP2: true, DialContext: g.dial,
		}},
	}
	if change != nil {
		change(&cfg)
	}
	c, err := ags.New(cfg)
	require.NoError(t, err)
	t.Cleanup(func() {
		c.CloseIdleConnections()
		g.close()
	})
	return c
}

// close closes all connections. net/http may still dial, for a call that has got
// another connection.
func (g *frameGateway) close() {
	g.mu.Lock()
	g.closed = true
	g.mu.Unlock()
	for _, conn := range g.connections() {
		_ = conn.NetConn().Close()
	}
	g.served.Wait()
}

func (g *frameGateway) dial(context.Context, string, string) (net.Conn, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return nil, net.ErrClosed
	}
	client, server := net.Pipe()
	c := &frameConn{
		Conn: tls.Server(server, g.tls), out: make(chan []byte, 16), closed: make(chan struct{}), silent: make(chan struct{}),
	}
	g.conns = append(g.conns, c)
	g.served.Go(func() {
		defer close(c.closed)
		g.serve(c)
		close(c.out)
		_, _ = io.Copy(io.Discard, c.NetConn())
	})
	g.served.Go(func() {
		for b := range c.out {
			_, _ = c.Write(b) // an error shows when the connection is read
		}
	})
	return client, nil
}

func (g *frameGateway) connections() []*frameConn {
	g.mu.Lock()
	defer g.mu.Unlock()
	return append([]*frameConn(nil), g.conns...)
}

// received returns how many complete requests have arrived.
func (g *frameGateway) received() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.requests
}

// serve serves a connection until it ends or goes silent.
func (g *frameGateway) serve(c *frameConn) {
	if _, err := io.ReadFull(c, make([]byte, len("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"))); err != nil {
		return
	}
	c.write(frameSettings, 0, 0, nil)
	for {
		var head [9]byte
		if _, err := io.ReadFull(c, head[:]); err != nil {
			return
		}
		payload := make([]byte, int(head[0])<<16|int(head[1])<<8|int(head[2]))
		if _, err := io.ReadFull(c, payload); err != nil {
			return
		}
		kind, flags, stream := head[3], head[4], binary.BigEndian.Uint32(head[5:])
		switch {
		case c.isSilent():
			return
		case kind == frameSettings && flags&flagAck == 0:
			c.write(kind, flagAck, 0, nil)
		case kind == framePing && flags&flagAck == 0:
			c.write(kind, flagAck, 0, payload)
		case (kind == frameHeaders || kind == frameData) && flags&flagEndStream != 0:
			g.mu.Lock()
			g.requests++
			n := g.requests
			g.mu.Unlock()
			g.answer(c, stream, n)
		}
	}
}

// goSilent makes the connection dead: it remains open, but nothing is answered.
func (c *frameConn) goSilent() { c.once.Do(func() { close(c.silent) }) }

func (c *frameConn) isSilent() bool {
	select {
	case <-c.silent:
		return true
	default:
		return false
	}
}

// write writes a frame.
func (c *frameConn) write(kind, flags byte, stream uint32, payload []byte) {
	frame := []byte{byte(len(payload) >> 16), byte(len(payload) >> 8), byte(len(payload)), kind, flags}
	frame = binary.BigEndian.AppendUint32(frame, stream)
	c.out <- append(frame, payload...)
}

// respond writes a response.
func (c *frameConn) respond(stream uint32, status int, body string) {
	// A literal field without indexing, whose name is that of entry 8 of the static
	// table, :status (RFC 7541, section 6.2.2).
	c.write(frameHeaders, flagEndHeaders, stream, append([]byte{0x08, 3}, strconv.Itoa(status)...))
	c.write(frameData, flagEndStream, stream, []byte(body))
}

// reset resets a stream.
func (c *frameConn) reset(stream, code uint32) {
	c.write(frameReset, 0, stream, binary.BigEndian.AppendUint32(nil, code))
}

// goAway says that the streams after last are not processed.
func (c *frameConn) goAway(last uint32) {
	c.write(frameGoAway, 0, 0, binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, last), 0))
}
