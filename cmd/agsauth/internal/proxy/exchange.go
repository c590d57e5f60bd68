package proxy

import (
	"bufio"
	"context"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"
)

const (
	// statusClientLeft is logged if the client left before there was a status.
	statusClientLeft = 499
	// lingerTime bounds how long the rest of an upload is read after the response, and
	// lingerIdle how long the client may pause.
	lingerTime = 30 * time.Second
	lingerIdle = time.Second
)

// exchangeKey is the context key of a request's exchange.
type exchangeKey struct{}

// exchange is a request and its response, as the [http.ResponseWriter] of the engine.
type exchange struct {
	http.ResponseWriter
	proxy         *Proxy
	in            *http.Request
	began         time.Time
	allowedOrigin string // the request's, if it is one of AllowOrigins
	own           bool   // the response is the proxy's

	reserved int64      // of Proxy.kept
	recorded *recording // the body, if its length is unknown and it is kept
	streams  bool       // the body is sent while it arrives

	status int
	bytes  int64
}

// WriteHeader implements [http.ResponseWriter].
func (x *exchange) WriteHeader(status int) {
	header := x.Header()
	if !x.own {
		removeFields(header)
	}
	if isInformational := status >= 100 && status < 200 && status != http.StatusSwitchingProtocols; isInformational {
		x.ResponseWriter.WriteHeader(status)
		return
	}
	if !x.own {
		x.localize(header)
	}
	if x.allowedOrigin != "" {
		header.Set("Access-Control-Allow-Origin", x.allowedOrigin)
		header.Set("Access-Control-Expose-Headers", "*")
		header.Add("Vary", "Origin")
	}
	x.status = status
	x.ResponseWriter.WriteHeader(status)
}

// Write implements [http.ResponseWriter].
func (x *exchange) Write(p []byte) (int, error) {
	n, err := x.ResponseWriter.Write(p)
	x.bytes += int64(n)
	return n, err
}

// Unwrap is for [http.ResponseController].
func (x *exchange) Unwrap() http.ResponseWriter { return x.ResponseWriter }

// Hijack implements [http.Hijacker]. The engine calls it to switch protocols.
func (x *exchange) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := http.NewResponseController(x.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, err
	}
	x.status = http.StatusSwitchingProtocols
	return &countedConn{Conn: conn, x: x}, rw, nil
}

// end releases what the exchange holds, and logs it. It also runs if the engine panics to
// break the connection.
func (x *exchange) end(ctx context.Context) {
	if x.recorded != nil {
		x.recorded.end()
	}
	if x.reserved != 0 {
		x.proxy.kept.Add(-x.reserved)
	}
	if x.proxy.cfg.AccessLog == nil {
		return
	}
	if x.status == 0 {
		x.status = statusClientLeft
	}
	x.proxy.cfg.AccessLog.LogAttrs(ctx, slog.LevelInfo, "request",
		slog.String("method", x.in.Method), slog.String("path", x.in.URL.Path),
		slog.Int("status", x.status), slog.Int64("bytes", x.bytes),
		slog.Duration("duration", time.Since(x.began)))
}

// discardUpload reads the rest of an upload that the API did not want, after the response
// has been sent. Many clients read the response only after they have sent everything, and
// would find a broken connection instead.
func (x *exchange) discardUpload() {
	if !x.streams || x.in.ProtoMajor != 1 || len(x.in.Header["Expect"]) > 0 {
		return
	}
	controller := http.NewResponseController(x.ResponseWriter)
	if controller.Flush() != nil {
		return
	}
	buf := x.proxy.engine.BufferPool.Get()
	defer x.proxy.engine.BufferPool.Put(buf)
	for deadline := time.Now().Add(lingerTime); time.Now().Before(deadline); {
		_ = controller.SetReadDeadline(time.Now().Add(lingerIdle))
		if _, err := x.in.Body.Read(buf); err != nil {
			break
		}
	}
	_ = controller.SetReadDeadline(time.Time{})
}

// answerPreflight allows what the page of an allowed origin asks for. Its cookies are not
// included.
func (x *exchange) answerPreflight() {
	x.own = true
	header := x.Header()
	header.Set("Access-Control-Allow-Methods", x.in.Header.Get("Access-Control-Request-Method"))
	if fields := x.in.Header.Get("Access-Control-Request-Headers"); fields != "" {
		header.Set("Access-Control-Allow-Headers", fields)
	}
	if x.in.Header.Get("Access-Control-Request-Private-Network") == "true" {
		header.Set("Access-Control-Allow-Private-Network", "true")
	}
	header.Set("Access-Control-Max-Age", "600")
	x.WriteHeader(http.StatusNoContent)
}

// countedConn counts what is written to a client after a switch of protocols.
type countedConn struct {
	net.Conn
	x *exchange
}

// Write implements [io.Writer]. The engine writes from one goroutine, and waits for it.
func (c *countedConn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	c.x.bytes += int64(n)
	return n, err
}

// CloseWrite passes on that the API has closed its side.
func (c *countedConn) CloseWrite() error {
	if conn, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return conn.CloseWrite()
	}
	return c.Close()
}

// modifyResponse edits the response to an upgrade, whose header the engine writes itself.
func modifyResponse(resp *http.Response) error {
	if resp.StatusCode == http.StatusSwitchingProtocols {
		removeFields(resp.Header)
		removeCookieDomains(resp.Header)
	}
	return nil
}

// removeFields removes what an API must not decide for the proxy's origin: who may read
// its responses, and by which protocol it is reached.
func removeFields(header http.Header) {
	for name := range header {
		if strings.HasPrefix(name, "Access-Control-") || name == "Alt-Svc" || name == "Strict-Transport-Security" {
			delete(header, name)
		}
	}
}
