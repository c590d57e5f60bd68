//go:build linux

package doctor

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/gofrs/flock"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestFindHolder(t *testing.T) {
	const locks = `1: POSIX  ADVISORY  WRITE 11 08:01:500 0 EOF
2: FLOCK  ADVISORY  WRITE 12 08:01:5000 0 EOF
3: -> FLOCK  ADVISORY  WRITE 13 08:01:500 0 EOF
4: FLOCK  ADVISORY  WRITE 0 08:01:600 0 EOF
5: FLOCK  ADVISORY  WRITE 14 08:01:500 0 EOF
`
	assert.Equal(t, "14", findHolder(locks, 500))
	assert.Empty(t, findHolder(locks, 600), "a process of another container")
	assert.Empty(t, findHolder(locks, 700))
}

func TestHolderOf(t *testing.T) {
	if _, err := os.Stat("/proc/locks"); err != nil {
		t.Skip("this kernel does not list its locks")
	}
	path := filepath.Join(t.TempDir(), "a.lock")
	lock := flock.New(path)
	require.NoError(t, lock.Lock())
	assert.Contains(t, holderOf(path), fmt.Sprintf("process %d (", os.Getpid()))
	require.NoError(t, lock.Close())
	assert.Empty(t, holderOf(path))
}
