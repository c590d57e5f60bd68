package daemon

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"

	"golang.org/x/oauth2"

	"github.com/agsauth/agsauth/cmd/agsauth/internal/tokenformat"
	"github.com/agsauth/agsauth/tokensource"
)

// sinkWriter keeps a sink up to date. One goroutine uses it.
type sinkWriter struct {
	Sink

	log     *slog.Logger
	written string // the access token that the file holds; empty if it holds none
	settled bool   // whether written is known
	failed  bool   // whether the last attempt has failed
}

// update writes the live token of src if the file does not have it, and removes the file
// once the session has ended. A failure is logged, and the next update tries again.
func (w *sinkWriter) update(ctx context.Context, src *tokensource.Source, phase tokensource.Phase) {
	t := liveToken(ctx, src)
	if !w.isDue(t, phase) {
		return
	}
	err := w.write(t)
	if err != nil && !w.failed {
		w.log.ErrorContext(ctx, "a sink could not be written; trying again", slog.String("path", w.Path), slog.Any("error", err))
	}
	w.failed, w.settled, w.written = err != nil, err == nil, ""
	if t != nil {
		w.written = t.AccessToken
	}
}

// isDue reports whether the file is to be changed.
func (w *sinkWriter) isDue(t *oauth2.Token, phase tokensource.Phase) bool {
	switch {
	case t != nil:
		return !w.settled || w.written != t.AccessToken || w.isMissing()
	case phase == tokensource.Ended:
		return !w.settled || w.written != "" || w.isEnvoys() && w.isMissing()
	}
	// The session may still be refreshed. Only Envoy needs a file already.
	return w.isEnvoys() && w.isMissing()
}

func (w *sinkWriter) isMissing() bool {
	_, err := os.Stat(w.Path)
	return errors.Is(err, fs.ErrNotExist)
}

func (w *sinkWriter) write(t *oauth2.Token) error {
	if t == nil && !w.isEnvoys() {
		return w.remove()
	}
	format, _ := tokenformat.Lookup(w.Format) // New has checked the name
	return w.replace(format(t))
}

// liveToken returns the token that src serves now, without waiting for one; nil if there
// is none.
func liveToken(ctx context.Context, src *tokensource.Source) *oauth2.Token {
	ctx, cancel := context.WithCancel(ctx)
	cancel()
	t, err := src.TokenContext(ctx)
	if err != nil {
		return nil
	}
	return t
}
