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

// fixture is a gateway, and a process with a session in a file.
type fixture struct {
	srv  *agstest.Server
	path string
	p    *multiproc.Process
}

func newFixture(t *testing.T, spec multiproc.Spec) *fixture {
	t.Helper()
	s := &fixture{path: recordPath(t), srv: multiproc.NewServer(t, agstest.Config{})}
	s.p = s.start(t, spec)
	s.p.SignOn(t)
	s.p.Traffic(t, 3)
	return s
}

func (s *fixture) start(t *testing.T, spec multiproc.Spec) *multiproc.Process {
	t.Helper()
	spec.Gateway, spec.Store = s.srv.URL, s.path
	return multiproc.Start(t, spec)
}

// wantContinued asserts that no call has failed or waited, and that a process without
// a login can continue the stored session.
func (s *fixture) wantContinued(t *testing.T) {
	t.Helper()
	tally := s.p.Tally(t)
	assert.Empty(t, tally.Failures)
	assert.Zero(t, tally.Failed)
	assert.Less(t, tally.Slowest, time.Second)
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

func (s *fixture) refreshes() int { return s.srv.Stats().Refreshes }

// While the disk is full, the session continues in memory. It is saved later.
func TestFile_DiskFull(t *testing.T) {
	t.Parallel()
	s := newFixture(t, multiproc.Spec{Name: "full disk"})
	s.p.LimitFiles(t, 100)
	stored := readRecord(t, s.path)
	failed := s.p.Await(t, tokensource.EventStoreFailed)
	assert.Contains(t, failed.Failure, syscall.EFBIG.Error())
	s.p.Await(t, tokensource.EventRefreshed)
	s.p.Await(t, tokensource.EventRefreshed)
	assert.Equal(t, stored, readRecord(t, s.path), "the record is unchanged")
	s.p.LimitFiles(t, -1)
	s.p.Await(t, tokensource.EventSaved)
	assert.Greater(t, readRecord(t, s.path).Generation, stored.Generation)
	s.wantContinued(t)
}

// When the folder is renamed, the session is saved at its path again.
func TestFile_FolderRenamedAway(t *testing.T) {
	t.Parallel()
	s := newFixture(t, multiproc.Spec{Name: "renamed folder"})
	stored, folder := readRecord(t, s.path), filepath.Dir(s.path)
	require.NoError(t, os.Rename(folder, folder+".away"))
	for range 2 {
		s.p.Await(t, tokensource.EventRefreshed)
	}
	assert.Greater(t, readRecord(t, s.path).Generation, stored.Generation)
	s.wantContinued(t)
}

// When a save hangs, the wait is limited by StoreTimeout, and callers with a valid
// token do not wait.
func TestFile_StoreHangs(t *testing.T) {
	t.Parallel()
	s := newFixture(t, multiproc.Spec{Name: "hanging store", StoreTimeout: 200 * time.Millisecond})
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
	s.wantContinued(t)
}

// The process that holds the lock is stopped. The others continue without the lock
// after LockTimeout. The stopped process later loads what they have saved.
func TestFile_HolderOfTheLockHangs(t *testing.T) {
	t.Parallel()
	s := &fixture{path: recordPath(t), srv: multiproc.NewServer(t, agstest.Config{})}
	s.p = s.start(t, multiproc.Spec{Name: "waits for the lock", LockTimeout: 500 * time.Millisecond})
	s.p.SignOn(t)
	holder := s.start(t, multiproc.Spec{Name: "holder", Linger: true})
	holder.Traffic(t, 1)
	holder.AwaitLock(t)
	holder.Signal(t, syscall.SIGSTOP)

	s.p.Traffic(t, 3)
	s.p.Await(t, tokensource.EventUnlocked)
	s.p.Await(t, tokensource.EventRefreshed)
	s.p.Tally(t) // the first calls may fail
	a := s.p.Ask(t)
	require.True(t, a.OK(), "%+v", a)

	holder.Signal(t, syscall.SIGCONT)
	holder.GoOn(t)
	holder.Await(t, tokensource.EventAdopted)
	stats := s.srv.Stats()
	assert.Zero(t, stats.Reuses)
	assert.Equal(t, 1, stats.LiveSessions)
}

// A damaged record causes no sign-on while there is a session in memory: it is set
// aside, and the session is saved again.
func TestFile_DamagedRecord(t *testing.T) {
	t.Parallel()
	s := newFixture(t, multiproc.Spec{Name: "damaged record", Login: true})
	require.NoError(t, os.WriteFile(s.path, []byte("{"), 0o600))
	assert.Contains(t, s.p.Await(t, tokensource.EventStoreFailed).Failure, "set aside")
	s.p.Await(t, tokensource.EventRefreshed)
	data, err := os.ReadFile(s.path + ".damaged")
	require.NoError(t, err)
	assert.Equal(t, "{", string(data))
	s.wantContinued(t)
}

// A record of a newer version is left alone: no sign-on, no refresh, no save.
func TestFile_RecordOfANewerVersion(t *testing.T) {
	t.Parallel()
	s := newFixture(t, multiproc.Spec{Name: "writer"})
	s.p.Tally(t)
	s.p.Close(t)
	newer := []byte(`{"version":99,"generation":7,"what":"ever"}`)
	require.NoError(t, os.WriteFile(s.path, newer, 0o600))
	p := s.start(t, multiproc.Spec{Name: "reader", Login: true, LockTimeout: 200 * time.Millisecond})
	asked := s.refreshes()
	for range 3 {
		a := p.Ask(t)
		assert.Contains(t, a.Failure, "newer version")
		assert.Zero(t, a.Reason, "the session has not ended")
	}
	data, err := os.ReadFile(s.path)
	require.NoError(t, err)
	assert.Equal(t, string(newer), string(data))
	assert.Equal(t, 1, s.srv.Count(agstest.SignOn))
	assert.Equal(t, asked, s.refreshes())
	p.Close(t)
}
