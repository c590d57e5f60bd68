// Package gateway serves the test gateway of package agstest to other programs, with its
// admin interface on a listener of its own.
package gateway

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/agsauth/agsauth/agstest"
	"github.com/agsauth/agsauth/cmd/agsauth/internal/exit"
	"github.com/agsauth/agsauth/cmd/agsauth/internal/reachable"
)

// webPath is where the page is, on the listener of the admin interface.
const webPath = "/web/"

// headerTimeout bounds how long a client of the admin interface takes for its header.
const headerTimeout = 10 * time.Second

// Options are what a gateway needs besides its settings.
type Options struct {
	// Out gets one line when the gateway listens: a JSON object with its URLs.
	Out io.Writer
	// Log gets a line for each request, without secrets. Nil means no log.
	Log io.Writer
	// Web is a page over the admin interface, which it finds at "../". Nil means none.
	Web http.Handler
}

// urls is the line that says where the gateway is.
type urls struct {
	URL string `json:"url"`
	API string `json:"api"`
	// Listen is the address, which may be another than that of an advertised URL.
	Listen string `json:"listen"`
	Admin  string `json:"admin,omitempty"`
	// CA is the path of the certificate that clients must trust.
	CA  string `json:"ca,omitempty"`
	Web string `json:"web,omitempty"`
}

// Run serves a gateway until ctx ends, and then returns nil. Settings that make no sense
// are a usage error.
func Run(ctx context.Context, s Settings, o Options) error {
	cfg, err := s.config()
	if err != nil {
		return err
	}
	if o.Log != nil {
		cfg.OnRequest = logTo(o.Log)
	}
	srv, err := agstest.Listen(cfg)
	if err != nil {
		return cannotListen(err, "--listen")
	}
	defer srv.Close()
	where := urls{URL: srv.URL, API: srv.URL + "/api", Listen: srv.Addr().String(), CA: s.caPath()}
	var failed <-chan error
	if s.hasAdmin() {
		l, err := new(net.ListenConfig).Listen(ctx, "tcp", s.AdminListen)
		if err != nil {
			return cannotListen(err, "--admin-listen")
		}
		where.Admin = "http://" + reachable.HostPort(l.Addr())
		if o.Web != nil {
			where.Web = where.Admin + webPath
		}
		var stop func()
		failed, stop = serve(l, adminHandler(srv, s.AdminHosts, o.Web))
		defer stop()
	}
	if err := json.NewEncoder(o.Out).Encode(where); err != nil {
		return fmt.Errorf("gateway: write its URLs: %w", err)
	}
	select {
	case <-ctx.Done():
		return nil
	case err := <-failed:
		return fmt.Errorf("gateway: admin interface: %w", err)
	}
}

// serve serves a handler until stop is called. If it ends before that, failed gets the
// error.
func serve(l net.Listener, h http.Handler) (failed <-chan error, stop func()) {
	srv := &http.Server{Handler: h, ReadHeaderTimeout: headerTimeout}
	ended := make(chan error, 1)
	go func() { ended <- srv.Serve(l) }()
	return ended, func() { _ = srv.Close() }
}

func cannotListen(err error, flag string) error {
	return &exit.Error{Status: exit.Failure, Err: fmt.Errorf("gateway: %w", err), Hint: "choose another address with " + flag}
}

// adminHandler returns the handler of the admin interface and the page over it.
func adminHandler(srv *agstest.Server, hosts []string, web http.Handler) http.Handler {
	mux, admin := http.NewServeMux(), srv.Admin(hosts...)
	mux.Handle("/", admin)
	if web != nil {
		mux.Handle(webPath, guardedBy(admin, http.StripPrefix(webPath[:len(webPath)-1], web)))
	}
	return mux
}

// logTo returns a function that writes a line for each request. It is safe for concurrent
// use.
func logTo(w io.Writer) func(agstest.Request) {
	var mu sync.Mutex
	return func(rq agstest.Request) {
		rq.Path = (&url.URL{Path: rq.Path}).EscapedPath() // a line break would begin another line
		line := fmt.Sprintf("agsauth: %s %s\n", rq.At.UTC().Format("2006-01-02T15:04:05.000Z"), rq)
		mu.Lock()
		defer mu.Unlock()
		_, _ = io.WriteString(w, line)
	}
}
