// Package replacefile replaces files that other programs may read at the same time.
package replacefile

import (
	"os"
	"path/filepath"
)

// Pattern returns the pattern of the names of the temporary files of [Write], which are
// beside the file.
func Pattern(path string) string { return "." + filepath.Base(path) + ".*.tmp" }

// Write replaces the file at path by what write writes, so that readers see the old
// content or the whole new one. If write fails the file stays as it is. The new file has
// mode 0600, unless write changes it.
func Write(path string, write func(*os.File) error) error {
	file, err := os.CreateTemp(filepath.Dir(path), Pattern(path))
	if err != nil {
		return err
	}
	err = write(file)
	if closing := file.Close(); err == nil {
		err = closing
	}
	if err == nil {
		err = os.Rename(file.Name(), path)
	}
	if err != nil {
		_ = os.Remove(file.Name())
	}
	return err
}
