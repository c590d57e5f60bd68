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
	// beat is how often it is felt whether the machine is there.
	beat = 250 * time.Millisecond
	// stall is by how much a beat may be late, with its write to the disk, before the
	// machine has stood still: a refresh writes twice, and its token lives for 4 s.
	stall = 500 * time.Millisecond
)

// feel tells the model when the machine stands still: when it is busy with something
// else, or its disk is, nobody has a session on it refreshed in time.
func (s *stage) feel(ctx context.Context) {
	pulse := &store.File{Path: filepath.Join(s.folder, "pulse.json")}
	for s.model.beats(time.Now()); pause(ctx, beat); s.model.beats(time.Now()) {
		_, err := pulse.Load(ctx)
		if err == nil || errors.Is(err, fs.ErrNotExist) {
			err = pulse.Save(ctx, []byte(`{}`))
		}
		if err != nil && ctx.Err() == nil {
			s.book.violated("no pulse", "%v", err)
		}
	}
}
