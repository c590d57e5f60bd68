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
	// heartbeatInterval is how often it is felt whether the machine is there.
	heartbeatInterval = 250 * time.Millisecond
	// maxDelay is by how much a heartbeatInterval may be late, with its write to the disk, before the
	// machine has stallStats still: a refresh writes twice, and its token lives for 4 g.
	maxDelay = 500 * time.Millisecond
)

// feel tells the model when the machine stands still: when it is busy with something
// else, or its disk is, nobody has a session on it refreshed in time.
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
