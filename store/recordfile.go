package store

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/gofrs/flock"
)

// A recordFile is the file of a record during one operation.
type recordFile struct {
	path string // without links
	user int    // the effective user

	rules     rules
	hasFolder bool // the folder exists
	ownFolder bool // the folder belongs to user
	found     bool // the file exists, with the mode and attributes below
	mode      fs.FileMode
	attrs     attributes

	fault  func(step, path string) error // set by tests, or nil
	notice func(error)                   // reports a repair
}

func (r *recordFile) folder() string { return filepath.Dir(r.path) }

func (r *recordFile) name() string { return filepath.Base(r.path) }

// sibling returns the path of another file in the folder.
func (r *recordFile) sibling(name string) string { return filepath.Join(r.folder(), name) }

// do runs a step, unless a test makes it fail. Its error is a stepError.
func (r *recordFile) do(step, path string, run func() error) error {
	var err error
	if r.fault != nil {
		err = r.fault(step, path)
	}
	if err == nil {
		err = run()
	}
	if err != nil {
		return &stepError{step, err}
	}
	return nil
}

// inspect sets the fields that describe the folder and the file, and refuses a file
// that must not be used.
func (r *recordFile) inspect() error {
	folders, err := foldersTo(r.folder())
	if err != nil {
		return err
	}
	r.rules = rulesFor(folders, r.user)
	info, err := os.Stat(r.folder())
	if err == nil {
		r.hasFolder, r.ownFolder = true, attributesOf(info).owner == r.user
	}
	info, err = os.Lstat(r.path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	}
	r.found, r.mode, r.attrs = true, info.Mode(), attributesOf(info)
	return r.check(r.path, info)
}

// check returns an error if a file must not be used.
func (r *recordFile) check(path string, info fs.FileInfo) error {
	err := r.rules.checkOwner(attributesOf(info))
	switch {
	case info.Mode().Type() == fs.ModeSymlink:
		err = errSharedLink
	case !info.Mode().IsRegular():
		err = errNotRegular
	}
	if err != nil {
		return &fs.PathError{Op: "open", Path: path, Err: err}
	}
	return nil
}

// open opens a file of the record, and removes the permissions of others.
func (r *recordFile) open(path string, flag int) (*os.File, error) {
	file, err := os.OpenFile(filepath.Clean(path), flag|openFlags, 0)
	if err != nil {
		return nil, err
	}
	// The checks use the open file, since path may be another file by now.
	info, err := file.Stat()
	if err == nil {
		err = r.check(path, info)
	}
	if err == nil {
		err = r.makePrivate(file, info)
	}
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}

// makePrivate removes the permissions of others from a file of the user's.
func (r *recordFile) makePrivate(file *os.File, info fs.FileInfo) error {
	mode, attrs := info.Mode().Perm(), attributesOf(info)
	if isPrivate(mode) {
		return nil
	}
	err := errOtherOwner
	if attrs.owner == r.user && (!r.rules.shared || !attrs.linked) {
		err = restrict(file)
	}
	if err != nil {
		return &fs.PathError{Op: "open", Path: file.Name(), Err: fmt.Errorf(
			"its mode %04o gives other users access, and cannot be changed: %w; run chmod 600 on it", mode, err)}
	}
	r.notice(fmt.Errorf("store: %s: its mode was %04o, which gave other users access, and is 0600 again", file.Name(), mode))
	return nil
}

// restrict sets the mode of a file to 0600.
func restrict(file *os.File) error {
	if err := file.Chmod(0o600); err != nil {
		return errors.Unwrap(err)
	}
	// Some file systems ignore Chmod and report no error.
	if info, err := file.Stat(); err != nil || !isPrivate(info.Mode()) {
		return errModeKept
	}
	return nil
}

// read returns the content of a file at one moment.
func (r *recordFile) read(path string) ([]byte, error) {
	file, err := r.open(path, os.O_RDONLY)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	return readStable(file)
}

// readStable reads a file that another process may be writing in place. It reads until
// two successive results are equal, which with the order of writes in
// [recordFile.overwrite] means that they are the content at one moment.
func readStable(file *os.File) ([]byte, error) {
	const tries = 100
	data, err := readAll(file)
	for range tries {
		if err != nil {
			return nil, err
		}
		last := data
		if data, err = readAll(file); err == nil && bytes.Equal(last, data) {
			return data, nil
		}
	}
	return nil, &fs.PathError{Op: "read", Path: file.Name(), Err: errUnstable}
}

func readAll(file *os.File) ([]byte, error) {
	const limit = maxRecord + int64(frameOverhead)
	var data bytes.Buffer
	if _, err := data.ReadFrom(io.NewSectionReader(file, 0, limit+1)); err != nil {
		return nil, err
	}
	if int64(data.Len()) > limit || data.Len() > maxRecord && !looksFramed(data.Bytes()) {
		return nil, &fs.PathError{Op: "read", Path: file.Name(), Err: errTooLarge}
	}
	return data.Bytes(), nil
}

// current returns what is stored: a record, or nothing. If the record is incomplete,
// that is the previous one. If there is no backup and a process is still writing,
// current waits for it.
func (r *recordFile) current(ctx context.Context) (content, error) {
	for {
		now, err := r.readContent()
		if err != nil || now.isComplete() {
			return now, err
		}
		unlock, idle := r.tryReadLock()
		if idle {
			// The record may have been completed before it was locked.
			if now, err = r.readContent(); err == nil && !now.isComplete() {
				now, err = r.recoverPrevious(now)
			}
			unlock()
			return now, err
		}
		if previous, err := r.previous(now); err == nil {
			return previous, nil
		}
		if err := pause(ctx); err != nil {
			return content{}, err
		}
	}
}

// readContent returns the present content of the record's file.
func (r *recordFile) readContent() (content, error) {
	raw, err := r.read(r.path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return content{state: nothing}, nil
	case err != nil:
		return content{}, err
	}
	now := decodeContent(raw)
	if now.state == unknown {
		return content{}, &fs.PathError{Op: "read", Path: r.path, Err: &recordError{
			reason: "it was written by a newer version of this library, which is needed to read it",
		}}
	}
	return now, nil
}

// previous returns what was stored before an incomplete record.
func (r *recordFile) previous(now content) (content, error) {
	if now.state == tornAfterNothing {
		return content{state: nothing}, nil
	}
	if now.state == tornWithBackup {
		data, err := r.read(r.sibling(backupName(r.name())))
		if err == nil && sha256.Sum256(data) == now.backup {
			return content{data: data}, nil
		}
	}
	return content{state: torn}, &fs.PathError{Op: "read", Path: r.path, Err: &recordError{
		reason: "it is incomplete, since writing it in place was interrupted, and the previous record is lost", damaged: true,
	}}
}

// recoverPrevious is previous for a record that no process is writing. It adds a
// notice.
func (r *recordFile) recoverPrevious(now content) (content, error) {
	previous, err := r.previous(now)
	if err == nil {
		r.notice(fmt.Errorf("store: %s: it is incomplete, since writing it in place was interrupted: the previous record is used", r.path))
	}
	return previous, err
}

// tryReadLock locks the record's file against writers in place. idle is false if a
// process is writing. Where files cannot be locked this is unknown, and idle is true.
func (r *recordFile) tryReadLock() (unlock func(), idle bool) {
	l := r.contentLock()
	locked, err := l.TryRLock()
	return func() { _ = l.Unlock() }, locked || err != nil
}

// contentLock returns the lock of the record's file itself, which writers in place
// hold.
func (r *recordFile) contentLock() *flock.Flock {
	return flock.New(r.path, flock.SetFlag(os.O_RDONLY|openFlags))
}
