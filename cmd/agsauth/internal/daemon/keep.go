package daemon

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"time"

	"github.com/agsauth/agsauth/tokensource"
)

// keep reads the store, then keeps the session fresh and publishes what becomes of it,
// until ctx ends.
func (r *run) keep(ctx context.Context) {
	w := watcher{src: r.src, path: r.cfg.WatchedFile}
	if !r.readStore(ctx, &w) {
		return
	}
	r.started.Store(true)
	r.keeping.Go(func() {
		err := r.src.Run(ctx)
		if ctx.Err() == nil && !errors.Is(err, tokensource.ErrClosed) {
			r.failed <- err
		}
	})
	r.keeping.Go(func() { r.watch(ctx, &w) })
	r.keeping.Go(func() { r.handleReloads(ctx) })
	r.publish(ctx)
}

// readStore reads the store for the first time, however often that takes. It reports false
// if ctx has ended.
func (r *run) readStore(ctx context.Context, w *watcher) bool {
	for ctx.Err() == nil {
		err := w.sync(ctx)
		if err == nil {
			return true
		}
		r.log.WarnContext(ctx, "the session cannot be read; trying again", slog.Any("error", err))
		pause(ctx, r.cfg.WatchEvery)
	}
	return false
}

// pause waits for d or until ctx ends.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// watch looks for what other processes have stored: a session that was signed on elsewhere
// must be used at once, and one that was signed out must not be.
func (r *run) watch(ctx context.Context, w *watcher) {
	for {
		pause(ctx, r.cfg.WatchEvery)
		if ctx.Err() != nil {
			return
		}
		if !w.isDue(isLive(r.src.Status().Phase)) {
			continue
		}
		if err := w.sync(ctx); err != nil && ctx.Err() == nil {
			r.log.DebugContext(ctx, "the store could not be read", slog.Any("error", err))
		}
		r.wake()
	}
}

// unhurried is how many looks a store that is not watched as a file is spared while there
// is a live token.
const unhurried = 10

// watcher reads the store when it may have changed.
type watcher struct {
	src  *tokensource.Source
	path string // of the file to look at; empty if the store is no file

	seen   fs.FileInfo // the file when it was last read; nil if there was none
	failed bool        // the last sync has failed
	looks  int         // since the last sync
}

// isDue looks at the file and reports whether to read the store.
func (w *watcher) isDue(live bool) bool {
	w.looks++
	switch {
	case w.failed:
		return true
	case w.path == "":
		return !live || w.looks >= unhurried
	}
	return !isSameVersion(w.seen, infoOf(w.path))
}

// sync reads the store. It looks at the file before, so that a change in between is not
// missed.
func (w *watcher) sync(ctx context.Context) error {
	w.looks = 0
	if w.path != "" {
		w.seen = infoOf(w.path)
	}
	err := w.src.Sync(ctx)
	w.failed = err != nil
	return err
}

// infoOf returns what is known of a file, nil if that is nothing.
func infoOf(path string) fs.FileInfo {
	info, err := os.Stat(path)
	if err != nil {
		return nil
	}
	return info
}

// isSameVersion reports whether a file was neither replaced nor written to.
func isSameVersion(a, b fs.FileInfo) bool {
	if a == nil || b == nil {
		return a == b
	}
	return os.SameFile(a, b) && a.ModTime().Equal(b.ModTime()) && a.Size() == b.Size()
}

// publish keeps the sinks and the service manager up to date until ctx ends. It looks at
// the session after each event, and every WatchEvery: no event tells when the access token
// of a session that has ended expires.
func (r *run) publish(ctx context.Context) {
	sinks := make([]*sinkWriter, 0, len(r.cfg.Sinks))
	for _, s := range r.cfg.Sinks {
		sinks = append(sinks, &sinkWriter{Sink: s, log: r.log})
	}
	var told, needed string
	ready := []string{"READY=1"}
	for ctx.Err() == nil {
		status := r.src.Status()
		for _, s := range sinks {
			s.update(ctx, r.src, status.Phase)
		}
		if text := needsPerson(status, r.cfg.SignsOn, r.cfg.LoginCommand); text != needed {
			if needed = text; text != "" {
				r.log.WarnContext(ctx, "a person has to sign on", slog.String("why", text))
			}
		}
		if text := statusText(status, r.cfg.LoginCommand); text != told {
			told = text
			r.notify(append(ready, "STATUS="+text)...)
			ready = nil
		}
		r.awaitChange(ctx)
	}
}

func (r *run) awaitChange(ctx context.Context) {
	timer := time.NewTimer(r.cfg.WatchEvery)
	defer timer.Stop()
	select {
	case <-r.changed:
	case <-timer.C:
	case <-ctx.Done():
	}
}

// handleReloads reads files again when asked to.
func (r *run) handleReloads(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-r.cfg.Reloads:
		}
		r.notify(reloading()...)
		if err := r.reload(ctx); err != nil {
			r.log.ErrorContext(ctx, "reload failed; what was read before stays in use", slog.Any("error", err))
		} else {
			r.log.InfoContext(ctx, "reloaded")
		}
		r.notify("READY=1")
	}
}

func (r *run) reload(ctx context.Context) error {
	if r.cfg.Reload == nil {
		return nil
	}
	return r.cfg.Reload(ctx)
}
