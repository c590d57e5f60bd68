package replacefile_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/cmd/agsauth/internal/replacefile"
)

func TestWrite(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	content := func(text string, failure error) func(*os.File) error {
		return func(f *os.File) error {
			_, err := f.WriteString(text)
			return errors.Join(err, failure)
		}
	}
	broken := errors.New("broken")
	require.ErrorIs(t, replacefile.Write(path, content("half", broken)), broken)
	assert.NoFileExists(t, path)

	require.NoError(t, replacefile.Write(path, content("first", nil)))
	require.NoError(t, replacefile.Write(path, content("second", nil)))
	require.ErrorIs(t, replacefile.Write(path, content("half", broken)), broken)
	got, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.Equal(t, "second", string(got))
	entries, err := os.ReadDir(filepath.Dir(path))
	require.NoError(t, err)
	assert.Len(t, entries, 1, "no temporary file is left")

	missing := filepath.Join(t.TempDir(), "missing", "file")
	require.ErrorIs(t, replacefile.Write(missing, content("x", nil)), fs.ErrNotExist)
}
