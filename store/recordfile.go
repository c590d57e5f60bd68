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

// A recordFile is the file of a record, for one operation, and what the system tells
// of it and of its folder.
type recordFile struct {
	path string // links followed
	user int

	rules     rules
	ownFolder bool // the folder belongs to the user
	found     bool // there is a file; the next two are its
	mode      fs.FileMode
	is        attributes

	fault func(step, path string) error // of a test; nil otherwise
	note  func(error)                   // is told what was repaired
}

// folder returns the folder of the record.
func (r *recordFile) folder() string { return filepath.Dir(r.path) }

// beside returns the path of another file in the record's folder.
func (r *recordFile) beside(name string) string { return filepath.Join(r.folder(), name) }

// name returns the name of the record's file.
func (r *recordFile) name() string { return filepath.Base(r.path) }

// step returns the error that a test wants a step to have.
func (r *recordFile) step(step, path string) error {
	if r.fault == nil {
		return nil
	}
	return r.fault(step, path)
}

// examine finds out what the system tells, and refuses a record that is not to be
// used.
func (r *recordFile) examine() error {
	way, err := foldersTo(r.folder())
	if err != nil {
		return err
	}
	r.rules = rulesFor(way, r.user)
	info, err := os.Stat(r.folder())
	if err == nil {
		r.ownFolder = attributesOf(info).owner == r.user
	}
	info, err = os.Lstat(r.path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	}
	r.found, r.mode, r.is = true, info.Mode(), attributesOf(info)
	return r.check(r.path, info)
}

// check returns an error if a file is not to be used.
func (r *recordFile) check(path string, info fs.FileInfo) error {
	err := r.rules.admit(attributesOf(info))
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

// open opens a file that holds a record, and sees to it that nobody else may access
// it.
func (r *recordFile) open(path string, flag int) (*os.File, error) {
	file, err := os.OpenFile(filepath.Clean(path), flag|openFlags, 0)
	if err != nil {
		return nil, err
	}
	// Of what was opened, not of the path: that may have come to be another.
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

// makePrivate takes from others the permissions that they have to a file of the
// user's. Whoever can read it has the session, and whoever can write it can give us
// another one.
func (r *recordFile) makePrivate(file *os.File, info fs.FileInfo) error {
	mode, is := info.Mode().Perm(), attributesOf(info)
	if isPrivate(mode) {
		return nil
	}
	err := errForeign
	if is.owner == r.user && (!r.rules.shared || !is.linked) {
		err = restrict(file)
	}
	if err != nil {
		return &fs.PathError{Op: "open", Path: file.Name(), Err: fmt.Errorf(
			"its mode %04o gives other users access, and cannot be changed: %w; run chmod 600 on it", mode, err)}
	}
	r.note(fmt.Errorf("store: %s: its mode was %04o, which gave other users access, and is 0600 again", file.Name(), mode))
	return nil
}

// restrict makes a file its owner's alone.
func restrict(file *os.File) error {
	if err := file.Chmod(0o600); err != nil {
		return errors.Unwrap(err)
	}
	// Some file systems change nothing, and report no error.
	if now, err := file.Stat(); err != nil || !isPrivate(now.Mode()) {
		return errKeepsMode
	}
	return nil
}

// read returns what is in a file, as it was at one moment.
func (r *recordFile) read(path string) ([]byte, error) {
	file, err := r.open(path, os.O_RDONLY)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	return readStable(file)
}

// readStable reads a file that may be written in place meanwhile: what is read twice
// alike was there at one moment. See [recordFile.put] for the order of the writes.
func readStable(file *os.File) ([]byte, error) {
	const tries = 100
	before, err := readAll(file)
	for range tries {
		if err != nil {
			return nil, err
		}
		last := before
		if before, err = readAll(file); err == nil && bytes.Equal(last, before) {
			return before, nil
		}
	}
	return nil, &fs.PathError{Op: "read", Path: file.Name(), Err: errUnsettled}
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

// current returns what is stored: a whole record, or nothing. Of a record that is
// being written in place, or was when its writer died, that is the predecessor. Where
// this was not kept, a writer that lives is waited for.
func (r *recordFile) current(ctx context.Context) (content, error) {
	for {
		now, err := r.look()
		if err != nil || now.isWhole() {
			return now, err
		}
		release, idle := r.excludeWriter()
		if idle {
			// It may have been finished since. Now it is not even begun.
			if now, err = r.look(); err == nil && !now.isWhole() {
				now, err = r.recover(now)
			}
			release()
			return now, err
		}
		if before, err := r.before(now); err == nil {
			return before, nil
		}
		if err := pause(ctx); err != nil {
			return content{}, err
		}
	}
}

// look returns what is in the record's file at this moment.
func (r *recordFile) look() (content, error) {
	raw, err := r.read(r.path)
	if errors.Is(err, fs.ErrNotExist) {
		return content{state: nothing}, nil
	} else if err != nil {
		return content{}, err
	}
	now := decodeContent(raw)
	if now.state == unknown {
		return content{}, &fs.PathError{Op: "read", Path: r.path, Err: &recordError{
			why: "it was written by a newer version of this library, which is needed to read it",
		}}
	}
	return now, nil
}

// before returns what was stored before a record that is not whole.
func (r *recordFile) before(now content) (content, error) {
	switch now.state {
	case tornAfterNothing:
		return content{state: nothing}, nil
	case tornButKept:
		data, err := r.read(r.beside(keptName(r.name())))
		if err == nil && sha256.Sum256(data) == now.kept {
			return content{data: data}, nil
		}
	case whole, nothing, torn, unknown:
	}
	return content{state: torn}, &fs.PathError{Op: "read", Path: r.path, Err: &recordError{
		why: "it was written in place, and not to the end; what was there before is lost", damaged: true,
	}}
}

// recover is before for a record that nobody writes any more. That goes into a notice.
func (r *recordFile) recover(now content) (content, error) {
	before, err := r.before(now)
	if err == nil {
		r.note(fmt.Errorf("store: %s: it was written in place, and not to the end: what was stored before is used", r.path))
	}
	return before, err
}

// excludeWriter keeps others from writing the record in place until release is
// called, if nobody does so now. Where files cannot be locked nobody knows, and idle is
// true.
func (r *recordFile) excludeWriter() (release func(), idle bool) {
	l := flock.New(r.path, flock.SetFlag(os.O_RDONLY|openFlags))
	free, err := l.TryRLock()
	return func() { _ = l.Unlock() }, free || err != nil
}
