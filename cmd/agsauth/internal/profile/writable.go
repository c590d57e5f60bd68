package profile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/agsauth/agsauth/cmd/agsauth/internal/config"
	"github.com/agsauth/agsauth/cmd/agsauth/internal/exit"
)

// trialSize is more than the record of a session has.
const trialSize = 8 << 10

// CheckWritable returns an error if the session could not be saved in a file. A sign-on
// whose session cannot be saved has registered its device in vain. It does not check Redis,
// which a sign-on has to read before.
func CheckWritable(s *config.Settings) error {
	if s.IsRedis() {
		return nil
	}
	path := s.Store
	if target, err := filepath.EvalSymlinks(path); err == nil {
		path = target
	}
	err := tryFolder(filepath.Dir(path))
	if errors.Is(err, fs.ErrPermission) && canChange(path) {
		return nil // a store.File then writes in place
	}
	if err != nil {
		return &exit.Error{
			Status: exit.Failure, Err: fmt.Errorf("the session could not be saved: %w", err),
			Hint: "make room, make the folder writable, or choose another place with --store",
		}
	}
	return nil
}

// tryFolder writes a file in a folder, and removes it. A folder that is missing is made, as
// a store.File does.
func tryFolder(folder string) error {
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return err
	}
	trial, err := os.CreateTemp(folder, ".trial.*.tmp")
	if err != nil {
		return err
	}
	_, err = trial.Write(make([]byte, trialSize))
	return errors.Join(err, trial.Close(), os.Remove(trial.Name()))
}

// canChange reports whether a file can be written to.
func canChange(path string) bool {
	file, err := os.OpenFile(path, os.O_WRONLY, 0)
	return err == nil && file.Close() == nil
}
