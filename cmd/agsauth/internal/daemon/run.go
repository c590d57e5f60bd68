package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/agsauth/agsauth/tokensource"
)

// signOnWait bounds how long the end of a Daemon waits for a sign-on.
const signOnWait = 30 * time.Second

// run is a Daemon that runs.
type run struct {
	*Daemon

	src       *tokensource.Source
	failed    chan error    // has room for an error of each server and of Source.Run
	stopAgain chan struct{} // closed by the second value of Stops

	serving sync.WaitGroup // the servers
	keeping sync.WaitGroup // what keeps, shows and publishes the session
}

func (r *run) run(ctx context.Context, servers []Server) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	// The rest goes on while the servers end what they are doing, and signals are heard
	// until the very end.
	keepCtx, stopKeeping := context.WithCancel(context.WithoutCancel(ctx))
	defer stopKeeping()
	lastCtx, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	var last sync.WaitGroup
	last.Go(func() { r.handleStops(lastCtx, stop) })
	if r.cfg.Ops != nil {
		last.Go(func() { r.serveOps(lastCtx) })
	}
	serveCtx, stopServing := context.WithCancel(keepCtx)
	defer stopServing()
	r.start(serveCtx, servers)
	r.keeping.Go(func() { r.keep(keepCtx) })

	var failure error
	select {
	case <-ctx.Done():
	case failure = <-r.failed:
	}
	r.stopping.Store(true)
	r.log.InfoContext(ctx, "stopping")
	r.notify("STOPPING=1", "STATUS=stopping")
	stopServing()
	r.awaitServers()
	stopKeeping()
	r.awaitSignOn(lastCtx)
	err := r.src.Close()
	r.keeping.Wait()
	end()
	last.Wait()
	return errors.Join(failure, err)
}

// start runs the servers until ctx ends. What ends a server later is no failure.
func (r *run) start(ctx context.Context, servers []Server) {
	for _, s := range servers {
		r.serving.Go(func() {
			switch err := s.Serve(ctx); {
			case ctx.Err() == nil && err == nil:
				r.failed <- fmt.Errorf("%s has ended", s.Name)
			case ctx.Err() == nil:
				r.failed <- fmt.Errorf("%s has ended: %w", s.Name, err)
			case err != nil:
				r.log.WarnContext(ctx, "a server did not end in good order", slog.String("server", s.Name), slog.Any("error", err))
			}
		})
	}
}

// awaitServers waits until the servers have ended what they were doing, unless the Daemon is
// told to stop a second time.
func (r *run) awaitServers() {
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		r.serving.Wait()
	}()
	select {
	case <-ended:
	case <-r.stopAgain:
	}
}

// awaitSignOn waits until no refresh or sign-on is under way. Close waits for a refresh, but
// drops a sign-on, whose device would be registered in vain.
func (r *run) awaitSignOn(ctx context.Context) {
	for deadline := time.Now().Add(signOnWait); r.src.Status().Busy && time.Now().Before(deadline); {
		pause(ctx, 20*time.Millisecond)
	}
}

// serveOps serves probes and metrics until ctx ends.
func (r *run) serveOps(ctx context.Context) {
	server := r.opsServer()
	stop := context.AfterFunc(ctx, func() { _ = server.Close() })
	defer stop()
	if err := server.Serve(r.cfg.Ops); !errors.Is(err, http.ErrServerClosed) {
		r.failed <- fmt.Errorf("the operations listener has ended: %w", err)
	}
}

// handleStops calls stop for the first value of Stops, and says after each further one why
// the process does not end at once.
func (r *run) handleStops(ctx context.Context, stop func()) {
	for n := 1; ; n++ {
		select {
		case <-ctx.Done():
			return
		case <-r.cfg.Stops:
		}
		if n == 1 {
			stop()
			continue
		}
		if n == 2 {
			close(r.stopAgain)
		}
		r.log.WarnContext(ctx, "already stopping: a refresh that is under way is saved first, or the session could be lost")
	}
}
