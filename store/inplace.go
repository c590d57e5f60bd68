package store

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// rewrite writes the record's file in place, if it cannot be replaced because of cause;
// otherwise it returns cause. Before it writes, it calls check with the current content,
// decoded and raw, and returns its error.
//
// A reader can tell at any time whether the record is complete. First rewrite copies
// the previous record to the backup, if that can be created. Then it writes a head over
// the beginning of the file, which says that the record is incomplete and contains the
// hash of the backup; then everything behind the head; and at last the beginning of the
// record over the head. Each step is synced before the next. See [recordFile.previous]
// for the reader.
//
// Writers exclude each other by a lock on the file itself, since the guard may not
// exist, or may be another file in another container.
func (r *recordFile) rewrite(
	ctx context.Context, cause error, next []byte, check func(now content, raw []byte) error,
) (err error) {
	if !r.inPlaceHelps(cause) {
		return cause
	}
	file, err := r.open(r.path, os.O_RDWR)
	if err != nil {
		return cause
	}
	defer func() { _ = file.Close() }()
	unlock, err := r.lockContent(ctx, file)
	if err != nil {
		return err
	}
	defer func() { err = both(err, unlock()) }()
	if info, err := file.Stat(); err != nil || r.rules.shared && attributesOf(info).linked {
		return errors.Join(cause, err) // a hard link may be another file of the user's
	}
	raw, err := readAll(file)
	if err != nil {
		return err
	}
	now := decodeContent(raw)
	if !now.isComplete() && now.state != unknown {
		now, _ = r.recoverPrevious(now) // without a backup its state is torn
	}
	if err := check(now, raw); err != nil {
		return err
	}
	head, err := r.backUp(now)
	if err != nil {
		return err
	}
	if err := r.overwrite(file, head, next); err != nil {
		return errors.Join(err, r.restore(file, head, now))
	}
	r.removeBackup()
	return nil
}

// lockContent waits until no other process writes the file in place. Where files
// cannot be locked it does nothing: the guard must suffice.
func (r *recordFile) lockContent(ctx context.Context, file *os.File) (unlock func() error, err error) {
	l := r.contentLock()
	for {
		locked, err := l.TryLock()
		if locked || err != nil {
			break
		}
		if err := pause(ctx); err != nil {
			return nil, err
		}
	}
	if !l.Locked() {
		return l.Unlock, nil
	}
	lockedInfo, err := l.Stat()
	info, err2 := file.Stat()
	if err = errors.Join(err, err2); err == nil && !os.SameFile(lockedInfo, info) {
		err = errChanged
	}
	if err != nil {
		return nil, errors.Join(err, l.Unlock())
	}
	return l.Unlock, nil
}

// backUp copies the current record to the backup, if it can, and returns the head for
// the new one.
func (r *recordFile) backUp(now content) (head []byte, err error) {
	if now.state == nothing {
		return encodeFrame(headNothing, nil), nil
	}
	noBackup := encodeFrame(headNoBackup, nil)
	if now.state != present {
		return noBackup, nil
	}
	err = r.replace(r.sibling(backupName(r.name())), now.data)
	if err == nil {
		err = r.syncFolder()
	}
	var failure *stepError
	switch {
	case err == nil:
		sum := sha256.Sum256(now.data)
		return encodeFrame(headBackup, sum[:]), nil
	case errors.Is(err, fs.ErrPermission), errors.As(err, &failure) && failure.step != stepRename && r.inPlaceHelps(err):
		return noBackup, nil
	}
	return nil, err
}

// overwrite writes the file in the order that rewrite describes. Neither head nor next
// is shorter than headSize.
func (r *recordFile) overwrite(file *os.File, head, next []byte) error {
	if err := r.writeAt(stepHead, file, head, 0); err != nil {
		return err
	}
	if err := r.writeAt(stepBody, file, next[headSize:], headSize); err != nil {
		return err
	}
	return r.writeAt(stepBegin, file, next[:headSize], 0)
}

// writeAt writes data at an offset, and syncs it. After stepBody the file ends behind
// data.
func (r *recordFile) writeAt(step string, file *os.File, data []byte, offset int64) error {
	return r.do(step, file.Name(), func() error {
		if _, err := file.WriteAt(data, offset); err != nil {
			return err
		}
		if step == stepBody {
			if err := file.Truncate(offset + int64(len(data))); err != nil {
				return err
			}
		}
		return file.Sync()
	})
}

// restore writes the previous content after overwrite has failed, for example on a full
// disk. If restore fails too, readers use the backup.
func (r *recordFile) restore(file *os.File, head []byte, previous content) error {
	if !previous.isComplete() {
		return nil
	}
	raw := encodeRecord(previous.data, true)
	if previous.state == nothing {
		raw = encodeFrame(frameNothing, nil)
	}
	if err := r.overwrite(file, head, raw); err != nil {
		return fmt.Errorf("and the previous record could not be restored: %w", err)
	}
	r.removeBackup()
	return nil
}

// copyAside copies the current record, or the raw content if it is incomplete, to a new
// file. If that cannot be created, a record that nobody can use is given up.
func (r *recordFile) copyAside(to string, now content, raw []byte) error {
	if now.state == nothing {
		return errNothing
	}
	data := raw
	if now.state == present {
		data = now.data
	}
	file, err := r.create(to, func() (*os.File, error) {
		return os.OpenFile(filepath.Clean(to), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	})
	if err != nil {
		if (now.state == torn || isZero(data)) && r.inPlaceHelps(err) {
			return nil
		}
		return err
	}
	if err := errors.Join(r.fill(file, to, data), file.Close()); err != nil {
		return errors.Join(err, os.Remove(to))
	}
	return r.syncFolder()
}
