// Package proxy is a local reverse proxy that signs on what passes: a program in any
// language sends its requests to it without a token, and the proxy sends them to one fixed
// API with a live one.
//
// # What it refuses
//
// A web page must not use the proxy in its visitor's name. Each TCP listener therefore
// accepts only requests for its own host names, and no request that a browser marks as
// another site's. With a key, other users of the machine are refused as well. A request
// cannot leave the API's base path, and has no influence on where it goes.
//
// # What it passes on
//
// Everything else passes unchanged in both directions, and streams: uploads and downloads
// of any size in bounded memory, server-sent events, WebSockets, trailers and HTTP/2.
// A response that breaks off at the API breaks off at the client too.
//
// A rejected token is replaced and the request sent once more, if its body was kept.
package proxy

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net/http"
	"net/http/httputil"
	"net/url"
	"sync/atomic"
	"time"

	"golang.org/x/oauth2"

	"github.com/agsauth/agsauth/ags"
	"github.com/agsauth/agsauth/cmd/agsauth/internal/reachable"
	"github.com/agsauth/agsauth/transport"
)

// KeyHeader is the field in which a client sends the key. It is not passed on.
const KeyHeader = "X-Agsauth-Key"

// Defaults of Config.
const (
	DefaultReplayLimit   = 64 << 10
	DefaultReplayTotal   = 64 << 20
	DefaultHeaderTimeout = 10 * time.Second
	DefaultDrainTimeout  = 10 * time.Second
)

// Config configures a Proxy. Only Upstream and Source are required.
type Config struct {
	// Upstream is the API's base URL: http or https, a host, and perhaps a base path,
	// which is put before the path of each request. Plain http is only for this machine.
	Upstream *url.URL
	// Source provides the tokens.
	Source transport.Source
	// Base sends the requests. Nil means a transport of NewTransport. It must not
	// decompress responses.
	Base http.RoundTripper

	// AllowHosts lists host names that clients may use for the proxy in addition to those
	// of this machine: a name, or a name with a port.
	AllowHosts []string
	// AllowOrigins lists the origins of web pages that may use the proxy, such as
	// "https://app.example.com". They must match exactly, except for case.
	AllowOrigins []string
	// Key, if not zero, must be sent in KeyHeader with every request.
	Key ags.Secret
	// Forwarded adds X-Forwarded-For, -Host and -Proto to the requests.
	Forwarded bool
	// LegacyRejections is that of [transport.Transport].
	LegacyRejections bool

	// ReplayLimit is the length in bytes up to which the body of a request is kept, so
	// that the request can be sent again. ReplayTotal bounds all bodies that are kept at
	// the same time. Zero means 64 KiB and 64 MiB; a negative value keeps none.
	ReplayLimit, ReplayTotal int64
	// HeaderTimeout bounds the wait for a request's header. Zero means 10 seconds.
	HeaderTimeout time.Duration
	// DrainTimeout bounds the wait for the requests in flight when Serve ends. Zero means
	// 10 seconds.
	DrainTimeout time.Duration

	// AccessLog gets the method, the path without the query, the status, the bytes of the
	// response's body and the duration of each request. Nil means no log.
	AccessLog *slog.Logger
	// LoginCommand is what the hint of a signed-out proxy tells the user to run. Empty
	// means "agsauth login".
	LoginCommand string
}

// Proxy is the proxy as an [http.Handler]. Make it with New, and serve it with Serve. It is
// safe for concurrent use.
type Proxy struct {
	cfg     Config
	hosts   []hostEntry
	origins map[string]bool
	keySum  [sha256.Size]byte
	engine  *httputil.ReverseProxy
	sender  *transport.Transport

	kept     atomic.Int64  // reserved for bodies that are kept
	inFlight atomic.Int64  // requests that are being served
	idle     chan struct{} // has a value after inFlight has become 0
}

// New returns a proxy. The error names the setting that makes no sense.
func New(cfg Config) (*Proxy, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	hosts, err := parseHosts(cfg.AllowHosts)
	if err != nil {
		return nil, err
	}
	origins, err := parseOrigins(cfg.AllowOrigins)
	if err != nil {
		return nil, err
	}
	p := &Proxy{cfg: cfg.withDefaults(), hosts: hosts, origins: origins, idle: make(chan struct{}, 1)}
	p.keySum = sha256.Sum256([]byte(cfg.Key.Reveal()))
	p.sender = &transport.Transport{
		Source:           markedSource{cfg.Source},
		Base:             withClearGRPC(p.cfg.Base, cfg.Upstream),
		AllowHosts:       []string{cfg.Upstream.Host},
		LegacyRejections: cfg.LegacyRejections,
	}
	p.engine = &httputil.ReverseProxy{
		Rewrite:        p.rewrite,
		Transport:      p.sender,
		ModifyResponse: modifyResponse,
		ErrorHandler:   p.serveError,
		BufferPool:     &bufferPool{},
		// An error's text may quote the response.
		ErrorLog: log.New(io.Discard, "", 0),
	}
	return p, nil
}

func (c *Config) check() error {
	switch u := c.Upstream; {
	case c.Source == nil:
		return errors.New("proxy: Source is nil")
	case u == nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.Opaque != "":
		return errors.New("proxy: the upstream must be a URL such as https://api.example.com/v1")
	case u.User != nil:
		return errors.New("proxy: the upstream URL must not have a user name or password")
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return errors.New("proxy: the upstream URL must not have a query or a fragment")
	case leavesBase(u.Path):
		return errors.New(`proxy: the path of the upstream URL must not contain ".."`)
	case u.Scheme == "http" && !reachable.IsLoopback(u.Hostname()):
		return fmt.Errorf("proxy: will not send tokens to http://%s: use https", u.Host)
	}
	return nil
}

func (c Config) withDefaults() Config {
	if c.Base == nil {
		c.Base = NewTransport(nil)
	}
	setDefault(&c.ReplayLimit, DefaultReplayLimit)
	setDefault(&c.ReplayTotal, DefaultReplayTotal)
	setDefault(&c.HeaderTimeout, DefaultHeaderTimeout)
	setDefault(&c.DrainTimeout, DefaultDrainTimeout)
	setDefault(&c.LoginCommand, "agsauth login")
	return c
}

func setDefault[T comparable](field *T, value T) {
	if *field == *new(T) {
		*field = value
	}
}

// ServeHTTP passes a request on, or refuses it.
func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.inFlight.Add(1)
	defer p.finished()
	x := &exchange{ResponseWriter: w, proxy: p, in: r, began: time.Now()}
	defer x.end(r.Context())
	if refused := p.judge(r); refused != nil {
		x.writeProblem(refused)
		return
	}
	x.allowedOrigin = p.allowedOrigin(r)
	if isPreflight(r) {
		x.answerPreflight()
		return
	}
	p.engine.ServeHTTP(x, r.WithContext(context.WithValue(r.Context(), exchangeKey{}, x)))
	x.discardUpload()
}

// finished counts a request that has been served.
func (p *Proxy) finished() {
	if p.inFlight.Add(-1) > 0 {
		return
	}
	select {
	case p.idle <- struct{}{}:
	default:
	}
}

// String returns the upstream's URL.
func (p *Proxy) String() string { return "proxy.Proxy{" + p.cfg.Upstream.String() + "}" }

// tokenError is an error of the Source.
type tokenError struct{ err error }

func (e *tokenError) Error() string { return e.err.Error() }
func (e *tokenError) Unwrap() error { return e.err }

// markedSource marks the errors of a Source, to tell them from those of the upstream.
type markedSource struct{ transport.Source }

// TokenContext implements [transport.Source].
func (s markedSource) TokenContext(ctx context.Context) (*oauth2.Token, error) {
	token, err := s.Source.TokenContext(ctx)
	if err != nil {
		return nil, &tokenError{err}
	}
	return token, nil
}
