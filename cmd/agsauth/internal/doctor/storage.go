package doctor

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/agsauth/agsauth/store"
)

// checkStorage stores a record beside the session, in a temporary folder, and removes it.
func checkStorage(ctx context.Context, e *examination) Result {
	if result, applies := e.inFile(); !applies {
		return result
	}
	path := e.Settings.Store
	if to, err := filepath.EvalSymlinks(path); err == nil {
		path = to
	}
	folders := foldersTo(filepath.Dir(path))
	if len(folders) == 0 {
		return skipped("there is no folder for it")
	}
	at := folders[0].path
	err := tryStore(ctx, at)
	if err != nil && errors.Is(err, fs.ErrPermission) || isReadOnly(err) {
		if canWriteInPlace(path) {
			return warning(fmt.Sprintf("no files can be made in %s, so that the session is written in place; a crash at that moment loses it", at), "let agsauth write the folder, if you can")
		}
	}
	return judgeStorage(at, err)
}

// tryStore stores, reads, locks and removes a record in a new folder below folder.
func tryStore(ctx context.Context, folder string) (err error) {
	trial, err := os.MkdirTemp(folder, ".agsauth-doctor-*")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(trial)) }()
	file := &store.File{Path: filepath.Join(trial, "session.json")}
	record := bytes.Repeat([]byte("agsauth "), 1024)
	if err := file.Save(ctx, record); err != nil {
		return err
	}
	read, err := file.Load(ctx)
	if err == nil && !bytes.Equal(read, record) {
		err = errors.New("what is read differs from what was written")
	}
	if err != nil {
		return err
	}
	unlock, err := file.Lock(ctx)
	if err != nil {
		return lockError{err}
	}
	return unlock()
}

// lockError says that the lock has failed, and not the file.
type lockError struct{ error }

func (e lockError) Unwrap() error { return e.error }

// canWriteInPlace reports whether a file can be opened for writing. It does not change
// it.
func canWriteInPlace(path string) bool {
	file, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return false
	}
	return file.Close() == nil
}

func judgeStorage(folder string, err error) Result {
	var lock lockError
	switch {
	case err == nil:
		return ok("a record can be written, read and locked in %s", folder)
	case errors.As(err, &lock):
		return warning(fmt.Sprintf("files in %s cannot be locked: processes that share the session may refresh it at the same time", folder), "set store to a path on a local disk, or to Redis")
	case isDiskFull(err):
		return failure(fmt.Sprintf("the disk of %s is full", folder), "free space on it, before the next refresh has to save its tokens")
	case isReadOnly(err):
		return failure(fmt.Sprintf("the file system of %s is read-only", folder), "set store to a path that can be written")
	case errors.Is(err, fs.ErrPermission):
		return failure(fmt.Sprintf("agsauth may not write the folder %s", folder), "correct the owner or the mode of the folder, or set store to another path")
	}
	return failure(fmt.Sprintf("no record can be stored in %s: %v", folder, err), "set store to another path")
}
