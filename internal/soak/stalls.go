package main

import (
	"context"
	"errors"
	"io/fs"
	"path/filepath"
	"time"

	"github.com/agsauth/agsauth/store"
)

const (
	// heartbeatInterval is how often a heartbeat is written.
	heartbeatInterval = 250 * time.Millisecond
	// maxDelay is how late a heartbeat, with its write to the disk, may be before that
	// counts as a stall: a refresh writes twice, and its token lives for 4 s.
	maxDelay = 500 * time.Millisecond
)

// detectStalls tells the model when the machine stalls. While it, or its disk, is busy with
// something else, no session is refreshed in time.
func (g *group) detectStalls(ctx context.Context) {
	file := &store.File{Path: filepath.Join(g.folder, "file.json")}
	for g.model.heartbeat(time.Now()); pause(ctx, heartbeatInterval); g.model.heartbeat(time.Now()) {
		_, err := file.Load(ctx)
		if err == nil || errors.Is(err, fs.ErrNotExist) {
			err = file.Save(ctx, []byte(`{}`))
		}
		if err != nil && ctx.Err() == nil {
			g.recorder.violation("no file", "%v", err)
		}
	}
}
