package endtoend_test

import (
	"io/fs"
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

// The session file is accessible to its owner only.
func TestFileIsPrivate(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "made", "when needed")
	opts := options{source: func(_ *stack, cfg *tokensource.Config) {
		cfg.Store = &store.File{Path: filepath.Join(folder, "session.json")}
	}}
	overLoopback(t, opts, func(t *testing.T, s *stack) {
		s.wantServed(1)
		of, err := os.Stat(filepath.Join(folder, "session.json"))
		require.NoError(t, err)
		assert.Equal(t, fs.FileMode(0o600), of.Mode().Perm())
		of, err = os.Stat(folder)
		require.NoError(t, err)
		assert.Equal(t, fs.FileMode(0o700), of.Mode().Perm())
		s.wantCount(agstest.API, 1)
	})
}

// When the store cannot be written, the session goes on in memory, and the save is
// retried.
func TestFailedSaveIsRetried(t *testing.T) {
	disk := &faultyStore{Memory: &store.Memory{}}
	opts := options{source: func(_ *stack, cfg *tokensource.Config) { cfg.Store = disk }}
	inBubble(t, opts, func(t *testing.T, s *stack) {
		s.wantServed(1)
		disk.saveFails.Store(true)
		stats := s.poll(5, 2*time.Minute, 3*time.Hour)
		assert.Empty(t, stats.errs)
		assert.Zero(t, stats.slowest)
		s.wantCount(agstest.Refresh, 3)
		assert.True(t, s.src.Status().Unsaved)
		assert.NotEmpty(t, s.events.ofKind(tokensource.EventStoreFailed))

		disk.saveFails.Store(false)
		sleep(time.Minute)
		s.wantServed(4)
		sleep(0)
		assert.False(t, s.src.Status().Unsaved)
		assert.Len(t, s.events.ofKind(tokensource.EventSaved), 1)
		next, clients := s.peers(1, func() tokensource.Store { return disk.Peer() }, nil)
		r := send(t.Context(), clients[0], http.MethodGet, s.srv.URL+"/api/profile", "")
		require.NoError(t, r.asError())
		assert.Equal(t, 4, r.echo.Generation)
		closeAll(t, next)
		s.wantCount(agstest.Refresh, 3)
		s.wantNoOverlap()
	})
}

// A store that cannot be read neither ends the session nor causes a login. With an
// expired token the source waits half a minute for it, and then continues without it
// and emits EventUnlocked.
func TestUnreadableStore(t *testing.T) {
	disk := &faultyStore{Memory: &store.Memory{}}
	opts := options{source: func(s *stack, cfg *tokensource.Config) {
		withLogin(s, cfg)
		cfg.Store = disk
	}}
	inBubble(t, opts, func(t *testing.T, s *stack) {
		s.wantServed(1)
		sleep(90 * time.Minute)
		disk.loadFails.Store(true)
		begin := time.Now()
		for time.Since(begin) < 29*time.Second {
			s.wantUnavailable()
			sleep(time.Second)
		}
		s.wantCount(agstest.Refresh, 0)
		sleep(20 * time.Second)
		s.wantServed(2)
		s.wantCount(agstest.Refresh, 1)
		sleep(0)
		assert.Len(t, s.events.ofKind(tokensource.EventUnlocked), 1)
		s.wantCount(agstest.SignOn, 1)

		disk.loadFails.Store(false)
		sleep(2 * time.Minute)
		s.wantServed(2)
		sleep(0)
		assert.False(t, s.src.Status().Unsaved)
		s.wantNoOverlap()
	})
}

// A damaged record is set aside, and a new session begins.
func TestDamagedFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "session.json")
	require.NoError(t, os.WriteFile(path, []byte(`{"version":1,"generation":7,"access_tok`), 0o600))
	opts := options{noSignOn: true, source: func(s *stack, cfg *tokensource.Config) {
		withLogin(s, cfg)
		cfg.Store = &store.File{Path: path}
	}}
	inBubble(t, opts, func(t *testing.T, s *stack) {
		s.wantServed(1)
		s.wantCount(agstest.SignOn, 1)
		assert.FileExists(t, path+".damaged")
	})
}

// A record of a newer version is left alone.
func TestFileOfANewerVersion(t *testing.T) {
	path := filepath.Join(t.TempDir(), "session.json")
	record := []byte(`{"version":999,"generation":7,"secret":"of the future"}`)
	require.NoError(t, os.WriteFile(path, record, 0o600))
	opts := options{noSignOn: true, source: func(s *stack, cfg *tokensource.Config) {
		withLogin(s, cfg)
		cfg.Store = &store.File{Path: path}
	}}
	inBubble(t, opts, func(t *testing.T, s *stack) {
		for range 20 {
			s.wantUnavailable()
			sleep(time.Minute)
		}
		s.wantCount(agstest.SignOn, 0)
		s.wantCount(agstest.Refresh, 0)
		kept, err := os.ReadFile(path)
		require.NoError(t, err)
		assert.Equal(t, record, kept)
	})
}

// The folder of the session file is renamed while the session is in use. The session
// goes on in memory and is saved again at its path.
func TestFolderRenamed(t *testing.T) {
	root := t.TempDir()
	folder := filepath.Join(root, "here")
	opts := options{source: func(s *stack, cfg *tokensource.Config) {
		withLogin(s, cfg)
		cfg.Store = &store.File{Path: filepath.Join(folder, "session.json")}
	}}
	inBubble(t, opts, func(t *testing.T, s *stack) {
		s.wantServed(1)
		require.NoError(t, os.Rename(folder, filepath.Join(root, "away")))
		stats := s.poll(5, 5*time.Minute, 2*time.Hour)
		assert.Empty(t, stats.errs)
		s.wantCount(agstest.Refresh, 2)
		s.wantCount(agstest.SignOn, 1)
		next, clients := s.peers(1, func() tokensource.Store {
			return &store.File{Path: filepath.Join(folder, "session.json")}
		}, nil)
		r := send(t.Context(), clients[0], http.MethodGet, s.srv.URL+"/api/profile", "")
		require.NoError(t, r.asError())
		assert.Equal(t, 3, r.echo.Generation)
		closeAll(t, next)
		assert.Zero(t, s.rejectedCalls())
		s.wantNoOverlap()
	})
}

// A peer that stops in the middle of a save blocks the saves of this process, but
// not its callers. The save succeeds once the peer continues.
func TestPeerStopsWhileItSaves(t *testing.T) {
	folder := t.TempDir()
	open := func() tokensource.Store { return &store.File{Path: filepath.Join(folder, "session.json")} }
	opts := options{source: func(_ *stack, cfg *tokensource.Config) { cfg.Store = open() }}
	inBubble(t, opts, func(t *testing.T, s *stack) {
		s.wantServed(1)
		guard := flock.New(filepath.Join(folder, ".session.json.guard"))
		require.NoError(t, guard.Lock())
		stats := s.poll(5, 2*time.Minute, 3*time.Hour)
		assert.Empty(t, stats.errs)
		assert.Zero(t, stats.slowest)
		s.wantCount(agstest.Refresh, 3)
		assert.True(t, s.src.Status().Unsaved)

		require.NoError(t, guard.Unlock())
		sleep(time.Minute)
		s.wantServed(4)
		sleep(time.Second)
		assert.False(t, s.src.Status().Unsaved)
		next, clients := s.peers(1, open, nil)
		r := send(t.Context(), clients[0], http.MethodGet, s.srv.URL+"/api/profile", "")
		require.NoError(t, r.asError())
		assert.Equal(t, 4, r.echo.Generation)
		closeAll(t, next)
		s.wantNoOverlap()
	})
}
