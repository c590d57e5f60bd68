package store_test

import (
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/store"
)

// Whenever a process dies, a record is whole, nothing is locked, and what is left
// of its work is swept by the next that saves.
func TestFile_KilledWhileItSaves(t *testing.T) {
	leftovers := 0
	// When the signal arrives is for the system to say: mostly in the middle.
	for round := 0; round < 5 || leftovers == 0 && round < 100; round++ {
		f := saveOne(t)
		p := start(t, partEndless, f.Path)
		waitForCreation(t, filepath.Dir(f.Path))
		require.NoError(t, p.Process.Kill())
		require.Error(t, p.Wait(), "it was killed")
		assertRecord(t, f.Path, string(large))
		leftovers += len(files(t, filepath.Dir(f.Path))) - 2

		next := &store.File{Path: f.Path}
		_, err := next.Load(t.Context())
		require.NoError(t, err)
		require.NoError(t, next.Save(t.Context(), []byte("record-three")))
		assertRecord(t, f.Path, "record-three")
		assert.Equal(t, []string{".session.json.guard", "session.json"}, files(t, filepath.Dir(f.Path)))
	}
	assert.Positive(t, leftovers, "one at least was killed in the middle")
}

// Where no file can be made the system says that there is none. That is no word
// about the record.
func TestFile_NoFileCanBeMade(t *testing.T) {
	f := &store.File{Path: "/proc/self/session.json"}
	assertOther(t, f.Save(t.Context(), []byte("record-one")))
	assertOther(t, f.Delete(t.Context()))
	assertOther(t, f.SetAside(t.Context(), "damaged"))
	_, err := f.Lock(t.Context())
	assertOther(t, err)
}

// waitForCreation returns when somebody has made a file in folder.
func waitForCreation(t *testing.T, folder string) {
	t.Helper()
	fd, err := syscall.InotifyInit1(syscall.IN_CLOEXEC)
	require.NoError(t, err)
	defer func() { require.NoError(t, syscall.Close(fd)) }()
	_, err = syscall.InotifyAddWatch(fd, folder, syscall.IN_CREATE)
	require.NoError(t, err)
	_, err = syscall.Read(fd, make([]byte, 4096))
	require.NoError(t, err)
}
