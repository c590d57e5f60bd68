package endtoend_test

import (
	"context"
	"errors"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/agstest"
	"github.com/agsauth/agsauth/store"
	"github.com/agsauth/agsauth/tokensource"
)

// What is on the disk is for this user alone.
func TestEndToEnd_FileIsPrivate(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "made", "when needed")
	p := plan{source: func(_ *house, cfg *tokensource.Config) {
		cfg.Store = &store.File{Path: filepath.Join(folder, "session.json")}
	}}
	loopback(t, p, func(t *testing.T, h *house) {
		h.served(1)
		of, err := os.Stat(filepath.Join(folder, "session.json"))
		require.NoError(t, err)
		assert.Equal(t, fs.FileMode(0o600), of.Mode().Perm())
		of, err = os.Stat(folder)
		require.NoError(t, err)
		assert.Equal(t, fs.FileMode(0o700), of.Mode().Perm())
		h.wantCount(agstest.API, 1)
	})
}

// fickle is a store that fails, or has no lock, when a story wants it to.
type fickle struct {
	*store.Memory
	loadFails, saveFails atomic.Bool
	repaired             atomic.Bool // something, which it has not told yet
}

func (f *fickle) Notices() []error {
	if f.repaired.Swap(false) {
		return []error{errors.New("its mode was 0660, and is 0600 again")}
	}
	return nil
}

var errDisk = errors.New("input/output error")

func (f *fickle) Load(ctx context.Context) ([]byte, error) {
	if f.loadFails.Load() {
		return nil, errDisk
	}
	return f.Memory.Load(ctx)
}

func (f *fickle) Save(ctx context.Context, record []byte) error {
	if f.saveFails.Load() {
		return errDisk
	}
	return f.Memory.Save(ctx, record)
}

// A disk that cannot be written to loses nothing, and is tried again.
func TestEndToEnd_DiskFull(t *testing.T) {
	disk := &fickle{Memory: &store.Memory{}}
	p := plan{source: func(_ *house, cfg *tokensource.Config) { cfg.Store = disk }}
	bubble(t, p, func(t *testing.T, h *house) {
		h.served(1)
		disk.saveFails.Store(true)
		y := h.crowd(5, 2*time.Minute, 3*time.Hour)
		assert.Empty(t, y.errs)
		assert.Zero(t, y.slowest)
		h.wantCount(agstest.Refresh, 3)
		assert.True(t, h.src.Status().Unsaved)
		assert.NotEmpty(t, h.events.of(tokensource.EventStoreFailed))

		disk.saveFails.Store(false)
		sleep(time.Minute)
		h.served(4)
		sleep(0)
		assert.False(t, h.src.Status().Unsaved)
		assert.Len(t, h.events.of(tokensource.EventSaved), 1)
		next, clients := h.neighbours(1, func() tokensource.Store { return disk.Peer() }, nil)
		r := send(t.Context(), clients[0], http.MethodGet, h.srv.URL+"/api/profile", "")
		require.NoError(t, r.failed())
		assert.Equal(t, 4, r.echo.Generation)
		closeAll(t, next)
		h.wantCount(agstest.Refresh, 3)
		h.wantSound()
	})
}

// A store that cannot be read is no end of a session and no reason for a login.
// With a dead token it is waited for, half a minute; then the session goes on
// without it, and says so.
func TestEndToEnd_StoreAway(t *testing.T) {
	disk := &fickle{Memory: &store.Memory{}}
	p := plan{source: func(h *house, cfg *tokensource.Config) {
		withLogin(h, cfg)
		cfg.Store = disk
	}}
	bubble(t, p, func(t *testing.T, h *house) {
		h.served(1)
		sleep(90 * time.Minute)
		disk.loadFails.Store(true)
		begin := time.Now()
		for time.Since(begin) < 29*time.Second {
			h.unavailable()
			sleep(time.Second)
		}
		h.wantCount(agstest.Refresh, 0)
		sleep(20 * time.Second)
		h.served(2)
		h.wantCount(agstest.Refresh, 1)
		sleep(0)
		assert.Len(t, h.events.of(tokensource.EventUnlocked), 1)
		h.wantCount(agstest.SignOn, 1)

		disk.loadFails.Store(false)
		sleep(2 * time.Minute)
		h.served(2)
		sleep(0)
		assert.False(t, h.src.Status().Unsaved)
		h.wantSound()
	})
}

// A record that was damaged is set aside, and the session begins anew.
func TestEndToEnd_DamagedFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "session.json")
	require.NoError(t, os.WriteFile(path, []byte(`{"version":1,"generation":7,"access_tok`), 0o600))
	p := plan{unsigned: true, source: func(h *house, cfg *tokensource.Config) {
		withLogin(h, cfg)
		cfg.Store = &store.File{Path: path}
	}}
	bubble(t, p, func(t *testing.T, h *house) {
		h.served(1)
		h.wantCount(agstest.SignOn, 1)
		assert.FileExists(t, path+".damaged")
	})
}

// One of a version to come is left alone.
func TestEndToEnd_FileOfANewerVersion(t *testing.T) {
	path := filepath.Join(t.TempDir(), "session.json")
	record := []byte(`{"version":999,"generation":7,"secret":"of the future"}`)
	require.NoError(t, os.WriteFile(path, record, 0o600))
	p := plan{unsigned: true, source: func(h *house, cfg *tokensource.Config) {
		withLogin(h, cfg)
		cfg.Store = &store.File{Path: path}
	}}
	bubble(t, p, func(t *testing.T, h *house) {
		for range 20 {
			h.unavailable()
			sleep(time.Minute)
		}
		h.wantCount(agstest.SignOn, 0)
		h.wantCount(agstest.Refresh, 0)
		kept, err := os.ReadFile(path)
		require.NoError(t, err)
		assert.Equal(t, record, kept)
	})
}
