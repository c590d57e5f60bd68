package store

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/gofrs/flock"
)

// rewrite writes the record's file in place, after replacing it has failed with cause:
// a file that is mounted by itself, as into a container, keeps its place. Before
// anything is written, check is given what is stored, and the bytes of the file; its
// error ends the rewriting.
//
// Whenever the process dies, a reader can tell what it finds. First the predecessor is
// copied to a file of its own, if the folder takes one. Then a head is written over
// the beginning, which says that the record is not whole, and names the predecessor by
// its hash; then all that follows the head; and at last the beginning of the record,
// over the head. Each of these is on disk before the next. See [recordFile.recover] for
// what a reader makes of a head.
//
// Writers exclude each other by a lock on the file itself: the guard may not be there,
// nor be the same one in another container.
func (r *recordFile) rewrite(
	ctx context.Context, cause error, next []byte, check func(now content, raw []byte) error,
) (err error) {
	file, err := r.open(r.path, os.O_RDWR)
	if err != nil {
		return cause // that nothing can be written in place either tells nobody more
	}
	defer func() { _ = file.Close() }()
	release, err := r.excludeWriters(ctx, file)
	if err != nil {
		return err
	}
	defer func() { err = both(err, release()) }()
	if info, err := file.Stat(); err != nil || r.rules.shared && attributesOf(info).linked {
		return errors.Join(cause, err) // it may be another file of the user's
	}
	raw, err := readAll(file)
	if err != nil {
		return err
	}
	now := decodeContent(raw)
	if !now.isWhole() && now.state != unknown {
		now, _ = r.recover(now) // or it is torn
	}
	if err := check(now, raw); err != nil {
		return err
	}
	head, err := r.keep(now)
	if err != nil {
		return err
	}
	if err := r.put(file, head, next); err != nil {
		return errors.Join(err, r.putBack(file, head, now))
	}
	r.dropKept()
	return nil
}

// excludeWriters waits until nobody else writes the file in place.
func (r *recordFile) excludeWriters(ctx context.Context, file *os.File) (release func() error, err error) {
	for {
		l := flock.New(r.path, flock.SetFlag(os.O_RDONLY|openFlags))
		locked, err := l.TryLock()
		if err != nil {
			return func() error { return nil }, nil //nolint:nilerr // where files cannot be locked the guard must do
		}
		if !locked {
			if err := pause(ctx); err != nil {
				return nil, err
			}
			continue
		}
		of, err := l.Stat()
		is, err2 := file.Stat()
		if err = errors.Join(err, err2); err == nil && !os.SameFile(of, is) {
			err = errChanged
		}
		if err != nil {
			return nil, errors.Join(err, l.Unlock())
		}
		return l.Unlock, nil
	}
}

// keep copies what is stored to the file beside the record, if one can be made, and
// returns the head that says so.
func (r *recordFile) keep(now content) (head []byte, err error) {
	unkept := encodeFrame(headUnkept, nil)
	switch now.state {
	case nothing:
		return encodeFrame(headNothing, nil), nil
	case torn, tornButKept, tornAfterNothing, unknown:
		return unkept, nil
	case whole:
	}
	err = r.replace(r.beside(keptName(r.name())), now.data)
	if err == nil {
		err = r.syncFolder()
	}
	var failure *stepError
	switch {
	case err == nil:
	case errors.As(err, &failure) && failure.step != stepRename && inPlaceHelps(failure.step, failure.err, r.ownFolder),
		errors.Is(err, fs.ErrPermission):
		return unkept, nil
	default:
		return nil, err
	}
	sum := sha256.Sum256(now.data)
	return encodeFrame(headKept, sum[:]), nil
}

// put writes the file: see rewrite. Neither head nor next is shorter than headSize.
func (r *recordFile) put(file *os.File, head, next []byte) error {
	if err := r.write(stepHead, file, head, 0); err != nil {
		return err
	}
	if err := r.write(stepBody, file, next[headSize:], headSize); err != nil {
		return err
	}
	return r.write(stepBegin, file, next[:headSize], 0)
}

// write writes data at an offset, and syncs it. What is written behind the head is all
// that follows it.
func (r *recordFile) write(step string, file *os.File, data []byte, at int64) error {
	if err := r.step(step, file.Name()); err != nil {
		return err
	}
	_, err := file.WriteAt(data, at)
	if err == nil && step == stepBody {
		err = file.Truncate(at + int64(len(data)))
	}
	if err == nil {
		err = file.Sync()
	}
	return err
}

// putBack restores what was stored after put has failed, on a full disk, say. Where
// that fails as well, readers find what was kept.
func (r *recordFile) putBack(file *os.File, head []byte, before content) error {
	var again []byte
	switch before.state {
	case whole:
		again = encodeRecord(before.data, true)
	case nothing:
		again = encodeFrame(frameNothing, nil)
	case torn, tornButKept, tornAfterNothing, unknown:
		return nil
	}
	if err := r.put(file, head, again); err != nil {
		return fmt.Errorf("and what was stored before could not be put back: %w", err)
	}
	r.dropKept()
	return nil
}

// copyAside copies what is stored to a new file. Where none can be made, only that is
// given up which nobody has use for.
func (r *recordFile) copyAside(to string, now content, raw []byte) error {
	data := now.data
	switch now.state {
	case nothing:
		return errNothing
	case torn, tornButKept, tornAfterNothing, unknown:
		data = raw
	case whole:
	}
	err := r.makeFile(to, data)
	var failure *stepError
	if errors.As(err, &failure) && (now.state == torn || isZero(data)) && inPlaceHelps(failure.step, failure.err, r.ownFolder) {
		return nil
	}
	return err
}

// makeFile makes a file that is not there yet.
func (r *recordFile) makeFile(path string, data []byte) error {
	err := r.step(stepCreate, path)
	var file *os.File
	if err == nil {
		file, err = os.OpenFile(filepath.Clean(path), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	}
	if err != nil {
		return &stepError{stepCreate, err}
	}
	if err := errors.Join(r.fill(file, path, data), file.Close()); err != nil {
		return errors.Join(err, os.Remove(path))
	}
	return r.syncFolder()
}
