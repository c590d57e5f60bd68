package multiproc_test

import (
	"path/filepath"
	"testing"

	"github.com/agsauth/agsauth/internal/multiproc"
)

func recordPath(t *testing.T) string {
	t.Helper()
	return filepath.Join(t.TempDir(), "agsauth", "session.json")
}

func TestFile_EightProcessesShareASession(t *testing.T) {
	t.Parallel()
	for i, tally := range multiproc.Share(t, recordPath(t), 8, 20) {
		t.Logf("process %d: %d calls, the slowest took %v", i, tally.Calls, tally.Slowest)
	}
}

func TestFile_SignOutEndsTheSessionInAllProcesses(t *testing.T) {
	t.Run("when the access token dies", func(t *testing.T) {
		t.Parallel()
		multiproc.SignOutEndsAll(t, recordPath(t), false)
	})
	t.Run("at once where the API rejects", func(t *testing.T) {
		t.Parallel()
		multiproc.SignOutEndsAll(t, recordPath(t), true)
	})
}
