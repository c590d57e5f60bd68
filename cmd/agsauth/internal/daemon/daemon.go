// Package daemon keeps a session fresh for as long as a program runs, and shows its state
// to those who operate it. It is the engine of the commands "daemon" and "proxy".
//
// A [Daemon] runs the session's Source, notices what other processes store, serves probes
// and metrics on a listener of its own, writes the token to files, and tells systemd how
// it stands. When it is told to stop it first reports that it is not ready, then lets the
// servers end what they are doing, and saves a refresh that is under way: a refresh token
// that can be used only once would be lost with the process.
package daemon

import (
	"context"
	"log/slog"
	"net"
	"os"
	"sync/atomic"
	"time"

	"github.com/agsauth/agsauth/tokensource"
)

// Config configures a Daemon. All fields are optional.
type Config struct {
	// Version is reported in the metric agsauth_build_info.
	Version string
	// Ops is where probes and metrics are served. Nil means nowhere. The Daemon closes it.
	Ops net.Listener
	// Sinks are the files that hold the token.
	Sinks []Sink
	// WatchedFile is the file in which the session is stored. If it is set, the store is
	// read soon after the file has changed. Otherwise the store is read again every
	// WatchEvery without a live token, and ten times less often with one.
	WatchedFile string
	// WatchEvery is how often to look for a session that another process has stored, and
	// for a token that has expired. Zero means a second.
	WatchEvery time.Duration
	// SignsOn says that the Source signs on by itself when a session has ended. If a person
	// has to, the log says so.
	SignsOn bool
	// LoginCommand is what a person runs to sign on. Empty means "agsauth login".
	LoginCommand string
	// Reload reads configuration files again. It is called once a value of Reloads, by one
	// goroutine.
	Reload func(ctx context.Context) error
	// Reloads asks for a Reload, as SIGHUP does.
	Reloads <-chan os.Signal
	// Stops stops the Daemon, as the end of Run's context does. The second value also ends
	// the wait for the servers, and leaves them behind. No value ends the wait for a refresh.
	Stops <-chan os.Signal
	// Notify tells the service manager about each change. Nil means that there is none. See
	// [Notifier].
	Notify func(state ...string) error
	// Logger logs what happens besides the events of the session. Nil means no log.
	Logger *slog.Logger
}

// Server is a server that runs as long as the Daemon does.
type Server struct {
	Name string // for errors
	// Serve serves until ctx ends. Then it lets the requests in flight end, in a time of
	// its own, and returns nil.
	Serve func(ctx context.Context) error
}

// Daemon keeps one session fresh. Make one with [New], make a Source whose OnEvent is
// [Daemon.OnEvent], and call [Daemon.Run] once.
type Daemon struct {
	cfg     Config
	log     *slog.Logger
	metrics *metrics

	src      atomic.Pointer[tokensource.Source] // nil before Run
	started  atomic.Bool                        // whether the store was read and all servers listen
	stopping atomic.Bool
	changed  chan struct{} // holds a value if there is something new to publish
}

// New returns a Daemon. The error says what is wrong with a sink.
func New(cfg Config) (*Daemon, error) {
	d := &Daemon{cfg: cfg, log: cfg.Logger, changed: make(chan struct{}, 1)}
	if d.log == nil {
		d.log = slog.New(slog.DiscardHandler)
	}
	if d.cfg.WatchEvery <= 0 {
		d.cfg.WatchEvery = time.Second
	}
	if d.cfg.LoginCommand == "" {
		d.cfg.LoginCommand = "agsauth login"
	}
	taken := []string{cfg.WatchedFile}
	for _, s := range cfg.Sinks {
		if err := errorOf(s.checkApart(taken), s.check()); err != nil {
			return nil, err
		}
		taken = append(taken, s.Path)
	}
	d.metrics = newMetrics(cfg.Version, d.status)
	return d, nil
}

// OnEvent takes the events of the Source. It does not wait.
func (d *Daemon) OnEvent(e tokensource.Event) {
	d.metrics.event(e)
	d.wake()
}

// wake has the state published.
func (d *Daemon) wake() {
	select {
	case d.changed <- struct{}{}:
	default: // it will be
	}
}

// status returns the session's status. It is zero before Run.
func (d *Daemon) status() tokensource.Status {
	if src := d.src.Load(); src != nil {
		return src.Status()
	}
	return tokensource.Status{}
}

// Run keeps src fresh and serves until ctx ends or Stops has a value. Then it stops the
// servers, closes src, and returns nil. It returns an error if a server has failed, or if
// the session could not be saved.
func (d *Daemon) Run(ctx context.Context, src *tokensource.Source, servers ...Server) error {
	d.src.Store(src)
	r := &run{Daemon: d, src: src, failed: make(chan error, len(servers)+2), stopAgain: make(chan struct{})}
	return r.run(ctx, servers)
}

// notify tells the service manager.
func (d *Daemon) notify(state ...string) {
	if d.cfg.Notify == nil {
		return
	}
	if err := d.cfg.Notify(state...); err != nil {
		d.log.Warn("the service manager was not told", slog.Any("error", err))
	}
}
