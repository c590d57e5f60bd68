//go:build linux || darwin

package multiproc_test

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/gofrs/flock"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/agstest"
	"github.com/agsauth/agsauth/internal/multiproc"
	"github.com/agsauth/agsauth/tokensource"
)

// scene is a gateway and a process with a session in a file and with callers.
type scene struct {
	srv  *agstest.Server
	path string
	p    *multiproc.Process
}

func newScene(t *testing.T, spec multiproc.Spec) *scene {
	t.Helper()
	s := &scene{path: recordPath(t), srv: multiproc.NewServer(t, agstest.Config{})}
	s.p = s.start(t, spec)
	s.p.SignOn(t)
	s.p.Traffic(t, 3)
	return s
}

func (s *scene) start(t *testing.T, spec multiproc.Spec) *multiproc.Process {
	t.Helper()
	spec.Gateway, spec.Store = s.srv.URL, s.path
	return multiproc.Start(t, spec)
}

// wantCarriedOn asserts that no call has failed or waited since the scene began,
// and that what is stored can be gone on with, by a process that cannot sign on.
func (s *scene) wantCarriedOn(t *testing.T) {
	t.Helper()
	y := s.p.Tally(t)
	assert.Empty(t, y.Failures)
	assert.Zero(t, y.Failed)
	assert.Less(t, y.Slowest, time.Second)
	s.p.Close(t)
	next := s.start(t, multiproc.Spec{Name: "next"})
	a := next.Ask(t)
	assert.True(t, a.OK(), "%+v", a)
	assert.Positive(t, s.refreshes())
	next.Close(t)
	stats := s.srv.Stats()
	assert.Equal(t, 1, stats.Sessions)
	assert.Zero(t, stats.Reuses)
}

func (s *scene) refreshes() int { return s.srv.Stats().Refreshes }

// While the disk is full the session goes on in memory; what could not be saved is
// saved later.
func TestFile_DiskFull(t *testing.T) {
	t.Parallel()
	s := newScene(t, multiproc.Spec{Name: "on a full disk"})
	s.p.LimitFiles(t, 100)
	stored := readRecord(t, s.path)
	failed := s.p.Await(t, tokensource.EventStoreFailed)
	assert.Contains(t, failed.Failure, syscall.EFBIG.Error())
	s.p.Await(t, tokensource.EventRefreshed)
	s.p.Await(t, tokensource.EventRefreshed)
	assert.Equal(t, stored, readRecord(t, s.path), "the record is as it was")
	s.p.LimitFiles(t, -1)
	s.p.Await(t, tokensource.EventSaved)
	assert.Greater(t, readRecord(t, s.path).Generation, stored.Generation)
	s.wantCarriedOn(t)
}

// The folder is gone: the session goes on, and is stored where it is to be.
func TestFile_FolderRenamedAway(t *testing.T) {
	t.Parallel()
	s := newScene(t, multiproc.Spec{Name: "without a folder"})
	stored, folder := readRecord(t, s.path), filepath.Dir(s.path)
	require.NoError(t, os.Rename(folder, folder+".away"))
	for range 2 {
		s.p.Await(t, tokensource.EventRefreshed)
	}
	assert.Greater(t, readRecord(t, s.path).Generation, stored.Generation)
	s.wantCarriedOn(t)
}

// The store hangs in the middle of a save: nobody waits for it longer than
// StoreTimeout, and nobody with a live token at all.
func TestFile_StoreHangs(t *testing.T) {
	t.Parallel()
	s := newScene(t, multiproc.Spec{Name: "before a store that hangs", StoreTimeout: 200 * time.Millisecond})
	stored := readRecord(t, s.path)
	guard := flock.New(filepath.Join(filepath.Dir(s.path), ".session.json.guard"))
	require.NoError(t, guard.Lock())
	s.p.Await(t, tokensource.EventStoreFailed)
	for range 2 {
		s.p.Await(t, tokensource.EventRefreshed)
	}
	assert.Equal(t, stored, readRecord(t, s.path))
	require.NoError(t, guard.Unlock())
	s.p.Await(t, tokensource.EventSaved)
	assert.Greater(t, readRecord(t, s.path).Generation, stored.Generation)
	s.wantCarriedOn(t)
}

// A process that holds the lock is stopped. The others go on without it once they
// have waited for LockTimeout; when it comes back it takes what they have stored.
func TestFile_HolderOfTheLockHangs(t *testing.T) {
	t.Parallel()
	s := &scene{path: recordPath(t), srv: multiproc.NewServer(t, agstest.Config{})}
	s.p = s.start(t, multiproc.Spec{Name: "in front of the lock", LockTimeout: 500 * time.Millisecond})
	s.p.SignOn(t)
	holder := s.start(t, multiproc.Spec{Name: "holder", Linger: true})
	holder.Traffic(t, 1)
	holder.AwaitLock(t)
	holder.Signal(t, syscall.SIGSTOP)

	s.p.Traffic(t, 3)
	s.p.Await(t, tokensource.EventUnlocked)
	s.p.Await(t, tokensource.EventRefreshed)
	s.p.Tally(t) // some may have been told that there was no token for now
	a := s.p.Ask(t)
	require.True(t, a.OK(), "%+v", a)

	holder.Signal(t, syscall.SIGCONT)
	holder.GoOn(t)
	holder.Await(t, tokensource.EventAdopted)
	stats := s.srv.Stats()
	assert.Zero(t, stats.Reuses)
	assert.Equal(t, 1, stats.LiveSessions)
}

// A record that nobody can read costs no sign-on where there is a session in
// memory: it is put aside, and the session stored anew.
func TestFile_DamagedRecord(t *testing.T) {
	t.Parallel()
	s := newScene(t, multiproc.Spec{Name: "beside a damaged record", Login: true})
	require.NoError(t, os.WriteFile(s.path, []byte("{"), 0o600))
	assert.Contains(t, s.p.Await(t, tokensource.EventStoreFailed).Failure, "set aside")
	s.p.Await(t, tokensource.EventRefreshed)
	data, err := os.ReadFile(s.path + ".damaged")
	require.NoError(t, err)
	assert.Equal(t, "{", string(data))
	s.wantCarriedOn(t)
}

// A record of a newer version is left alone, and so is the session in it: no
// sign-on, no refresh, no save.
func TestFile_RecordOfANewerVersion(t *testing.T) {
	t.Parallel()
	s := newScene(t, multiproc.Spec{Name: "writer"})
	s.p.Tally(t)
	s.p.Close(t)
	newer := []byte(`{"version":99,"generation":7,"what":"ever"}`)
	require.NoError(t, os.WriteFile(s.path, newer, 0o600))
	p := s.start(t, multiproc.Spec{Name: "reader", Login: true, LockTimeout: 200 * time.Millisecond})
	asked := s.refreshes()
	for range 3 {
		a := p.Ask(t)
		assert.Contains(t, a.Failure, "newer version")
		assert.Zero(t, a.Reason, "nobody says that the session has ended")
	}
	data, err := os.ReadFile(s.path)
	require.NoError(t, err)
	assert.Equal(t, string(newer), string(data))
	assert.Equal(t, 1, s.srv.Count(agstest.SignOn))
	assert.Equal(t, asked, s.refreshes())
	p.Close(t)
}
