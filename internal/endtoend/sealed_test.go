package endtoend_test

import (
	"bytes"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/gofrs/flock"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/agstest"
	"github.com/agsauth/agsauth/store"
	"github.com/agsauth/agsauth/tokensource"
)

// sealedFile returns a file that is sealed for dave, as a process with some keys
// has it.
func sealedFile(t *testing.T, path string, keys ...byte) *store.Sealed {
	t.Helper()
	s := &store.Sealed{Store: &store.File{Path: path}, Name: agstest.DefaultUsername}
	for _, n := range keys {
		key, err := store.NewKey(bytes.Repeat([]byte{n}, 32))
		require.NoError(t, err)
		s.Keys = append(s.Keys, key)
	}
	return s
}

// Processes that share a sealed session, while its key is replaced under them: one
// refresh a lifetime, and nobody notices.
func TestEndToEnd_SealedSessionIsShared(t *testing.T) {
	path := filepath.Join(t.TempDir(), "session.json")
	bubble(t, plan{}, func(t *testing.T, h *house) {
		h.deposit(func() tokensource.Store { return sealedFile(t, path, 1) })
		refreshes := 0
		for _, keys := range [][2][]byte{{{1}, {1, 2}}, {{1, 2}, {2, 1}}, {{2, 1}, {2}}} {
			var sources []*tokensource.Source
			var clients []*http.Client
			for _, some := range keys { // the step is taken by one process after the other
				src, c := h.neighbours(2, func() tokensource.Store { return sealedFile(t, path, some...) }, withLogin)
				sources, clients = append(sources, src...), append(clients, c...)
			}
			for range 2 {
				sleep(90 * time.Minute)
				// One of the newer keys first: the last that is saved by the old ones is
				// sealed anew before they go.
				require.Empty(t, h.askAll(clients[2:], 3).errs)
				require.Empty(t, h.askAll(clients[:2], 3).errs)
				refreshes++
				h.wantCount(agstest.Refresh, refreshes)
			}
			closeAll(t, sources)
		}
		h.wantCount(agstest.SignOn, 1)
		assert.Zero(t, h.rejections())
		h.wantSound()
		onDisk, err := os.ReadFile(path)
		require.NoError(t, err)
		assert.NotContains(t, string(onDisk), "token")
	})
}

// Started with the wrong key a service that can sign on does not: the session that
// it cannot read may be in use next door.
func TestEndToEnd_SealedWithAnotherKey(t *testing.T) {
	path := filepath.Join(t.TempDir(), "session.json")
	bubble(t, plan{}, func(t *testing.T, h *house) {
		h.deposit(func() tokensource.Store { return sealedFile(t, path, 1) })
		before, err := os.ReadFile(path)
		require.NoError(t, err)
		open := func() tokensource.Store { return sealedFile(t, path, 2) }
		sources, clients := h.neighbours(1, open, withLogin)
		for range 20 {
			r := send(t.Context(), clients[0], http.MethodGet, h.srv.URL+"/api/profile", "")
			require.ErrorIs(t, r.err, store.ErrNotOpened)
			sleep(time.Minute)
		}
		h.wantCount(agstest.SignOn, 1)
		h.wantCount(agstest.Refresh, 0)
		h.wantCount(agstest.API, 0)
		kept, err := os.ReadFile(path)
		require.NoError(t, err)
		assert.Equal(t, before, kept)
		closeAll(t, sources)

		next, clients := h.neighbours(1, func() tokensource.Store { return sealedFile(t, path, 2, 1) }, withLogin)
		r := send(t.Context(), clients[0], http.MethodGet, h.srv.URL+"/api/profile", "")
		require.NoError(t, r.failed())
		closeAll(t, next)
		h.wantCount(agstest.SignOn, 1)
		h.wantSound()
	})
}

// The folder of a session in use is renamed: what is in memory goes on, and is
// stored again, where the path leads.
func TestEndToEnd_FolderRenamedAway(t *testing.T) {
	root := t.TempDir()
	folder := filepath.Join(root, "here")
	p := plan{source: func(h *house, cfg *tokensource.Config) {
		withLogin(h, cfg)
		cfg.Store = &store.File{Path: filepath.Join(folder, "session.json")}
	}}
	bubble(t, p, func(t *testing.T, h *house) {
		h.served(1)
		require.NoError(t, os.Rename(folder, filepath.Join(root, "away")))
		y := h.crowd(5, 5*time.Minute, 2*time.Hour)
		assert.Empty(t, y.errs)
		h.wantCount(agstest.Refresh, 2)
		h.wantCount(agstest.SignOn, 1)
		next, clients := h.neighbours(1, func() tokensource.Store {
			return &store.File{Path: filepath.Join(folder, "session.json")}
		}, nil)
		r := send(t.Context(), clients[0], http.MethodGet, h.srv.URL+"/api/profile", "")
		require.NoError(t, r.failed())
		assert.Equal(t, 3, r.echo.Generation)
		closeAll(t, next)
		assert.Zero(t, h.rejections())
		h.wantSound()
	})
}

// A neighbour that was stopped in the middle of a save keeps this one's from the
// disk, and nothing from its callers; when it goes on the save is made up for.
func TestEndToEnd_NeighbourIsStoppedWhileItSaves(t *testing.T) {
	folder := t.TempDir()
	open := func() tokensource.Store { return &store.File{Path: filepath.Join(folder, "session.json")} }
	p := plan{source: func(_ *house, cfg *tokensource.Config) { cfg.Store = open() }}
	bubble(t, p, func(t *testing.T, h *house) {
		h.served(1)
		guard := flock.New(filepath.Join(folder, ".session.json.guard"))
		require.NoError(t, guard.Lock())
		y := h.crowd(5, 2*time.Minute, 3*time.Hour)
		assert.Empty(t, y.errs)
		assert.Zero(t, y.slowest)
		h.wantCount(agstest.Refresh, 3)
		assert.True(t, h.src.Status().Unsaved)

		require.NoError(t, guard.Unlock())
		sleep(time.Minute)
		h.served(4)
		sleep(time.Second)
		assert.False(t, h.src.Status().Unsaved)
		next, clients := h.neighbours(1, open, nil)
		r := send(t.Context(), clients[0], http.MethodGet, h.srv.URL+"/api/profile", "")
		require.NoError(t, r.failed())
		assert.Equal(t, 4, r.echo.Generation)
		closeAll(t, next)
		h.wantSound()
	})
}
