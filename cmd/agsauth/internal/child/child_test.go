//go:build unix

package child_test

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/cmd/agsauth/internal/child"
	"github.com/agsauth/agsauth/cmd/agsauth/internal/exit"
)

func TestFind(t *testing.T) {
	folder := t.TempDir()
	plain := filepath.Join(folder, "plain")
	require.NoError(t, os.WriteFile(plain, []byte("x"), 0o600))
	path, err := child.Find("sh")
	require.NoError(t, err)
	assert.True(t, filepath.IsAbs(path))
	for name, want := range map[string]int{
		"no-such-program-at-all":       child.StatusNotFound,
		filepath.Join(folder, "other"): child.StatusNotFound,
		plain:                          child.StatusNotExecutable,
		folder:                         child.StatusNotExecutable,
	} {
		_, err := child.Find(name)
		assert.Equal(t, want, exit.StatusOf(err), name)
	}
}

func TestEnviron(t *testing.T) {
	got := child.Environ([]string{"A=1", "TOKEN=old", "B=2", "TOKENS=x"}, map[string]string{"TOKEN": "new"})
	assert.Equal(t, []string{"A=1", "B=2", "TOKENS=x", "TOKEN=new"}, got)
}

func TestRun_StatusAndSignals(t *testing.T) {
	run := func(script string, signals chan os.Signal) int {
		return exit.StatusOf(child.Run("/bin/sh", []string{"sh", "-c", script}, os.Environ(), signals))
	}
	assert.Equal(t, 0, run("exit 0", nil))
	assert.Equal(t, 77, run("exit 77", nil))
	assert.Equal(t, 128+int(syscall.SIGKILL), run("kill -KILL $$", nil))

	// The program is told of the signal when it can handle it.
	ready := filepath.Join(t.TempDir(), "ready")
	require.NoError(t, syscall.Mkfifo(ready, 0o600))
	signals := make(chan os.Signal)
	go func() {
		if file, err := os.Open(ready); err == nil { // waits for the program
			_ = file.Close()
		}
		signals <- syscall.SIGTERM
	}()
	assert.Equal(t, 9, run(`trap 'exit 9' TERM; : >`+ready+`; while :; do sleep 0.05; done`, signals))
}
