package store

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// makeFolder makes the record's folder if there is none, for this user alone. What
// root makes belongs to the owner of the folder that it lies in, as far as that one
// is trusted.
func (r *recordFile) makeFolder() error {
	var missing []string
	for at := r.folder(); ; at = filepath.Dir(at) {
		found, err := exists(at)
		if err != nil {
			return err
		}
		if found || at == filepath.Dir(at) {
			break
		}
		missing = append(missing, at)
	}
	if len(missing) == 0 {
		return nil
	}
	if err := os.MkdirAll(r.folder(), 0o700); err != nil {
		return err
	}
	if heir := r.rules.heir; heir.known {
		for _, folder := range missing {
			give(folder, heir)
		}
	}
	return r.examine()
}

// give makes a folder another user's. If that cannot be, it stays ours.
func give(path string, to attributes) {
	file, err := os.OpenFile(filepath.Clean(path), os.O_RDONLY|openFlags, 0)
	if err != nil {
		return
	}
	defer func() { _ = file.Close() }()
	// Of what was opened: its owner may have put something else there.
	if info, err := file.Stat(); err == nil && info.IsDir() {
		_ = file.Chown(to.owner, to.group)
	}
}

// heir returns who is to own what is made beside the record: its own owner, or else
// that of the folder. It is unknown for all users but root, to whom their files
// belong.
func (r *recordFile) heir() attributes {
	switch {
	case r.user != superuser:
		return attributes{}
	case r.found && r.is.known:
		return r.is
	}
	return r.rules.heir
}

// inherit gives a new file to its heir.
func (r *recordFile) inherit(file *os.File) error {
	heir := r.heir()
	if !heir.known {
		return nil
	}
	info, err := file.Stat()
	if err != nil {
		return err
	}
	if is := attributesOf(info); is.owner == heir.owner && is.group == heir.group {
		return nil
	}
	if err := r.step(stepOwner, file.Name()); err != nil {
		return err
	}
	return file.Chown(heir.owner, heir.group)
}

// fill writes a new file, and gives it to its heir. If that cannot be, the error is a
// stepError with stepOwner where the file is to be the record, in place of one that
// has an owner.
func (r *recordFile) fill(file *os.File, path string, data []byte) error {
	if _, err := file.Write(data); err != nil {
		return err
	}
	if mode := r.mode.Perm() & 0o700; r.found && r.is.known && mode != 0o600 {
		if err := file.Chmod(mode); err != nil {
			return err
		}
	}
	if err := r.inherit(file); err != nil && r.found && path == r.path {
		return &stepError{stepOwner, err}
	}
	return file.Sync()
}

// replace puts a new file in the place of the one at path: in one step, and not
// before all of it is on disk. If it fails nothing is changed, and nothing left
// behind.
func (r *recordFile) replace(path string, data []byte) error {
	// In the same folder, since a file cannot be moved to another file system.
	// CreateTemp gives the permissions 0600.
	err := r.step(stepCreate, path)
	var file *os.File
	if err == nil {
		file, err = os.CreateTemp(r.folder(), temporaryStart(r.name())+"*"+temporaryEnd)
	}
	if err != nil {
		return &stepError{stepCreate, err}
	}
	err = errors.Join(r.fill(file, path, data), file.Close())
	if err == nil {
		err = r.rename(file.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(file.Name()))
	}
	return nil
}

func (r *recordFile) rename(from, to string) error {
	err := r.step(stepRename, to)
	if err == nil {
		err = os.Rename(from, to)
	}
	if err != nil {
		return &stepError{stepRename, err}
	}
	return nil
}

// sweep removes the temporary files that replace has left when its process died. The
// guard must be held: else they may be somebody's who lives.
func (r *recordFile) sweep() error {
	entries, err := os.ReadDir(r.folder())
	if err != nil {
		return err
	}
	var errs []error
	for _, entry := range entries {
		if entry.Type().IsRegular() && isTemporary(entry.Name(), r.name()) {
			errs = append(errs, os.Remove(r.beside(entry.Name())))
		}
	}
	return errors.Join(errs...)
}

// save stores a record in place of the one with the version seen, or returns
// errChanged. done reports whether the new record is stored, also with an error.
func (r *recordFile) save(ctx context.Context, seen version, data []byte) (done bool, err error) {
	err = r.replace(r.path, encodeRecord(data, false))
	if err == nil {
		r.dropKept()
		return true, r.syncFolder()
	}
	if !r.inPlaceHelps(err) {
		return false, err
	}
	err = r.rewrite(ctx, err, encodeRecord(data, true), func(now content, _ []byte) error {
		if !now.isWhole() || now.version() != seen {
			return errChanged
		}
		return nil
	})
	return err == nil, err
}

// remove removes the record. done reports whether nothing is stored then, also with
// an error.
func (r *recordFile) remove(ctx context.Context) (done bool, err error) {
	if err = r.step(stepRemove, r.path); err == nil {
		err = os.Remove(r.path)
	}
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		r.dropKept()
		return true, r.syncFolder()
	}
	err = &stepError{stepRemove, err}
	if !r.inPlaceHelps(err) {
		return false, err
	}
	err = r.rewrite(ctx, err, encodeFrame(frameNothing, nil), func(content, []byte) error { return nil })
	return err == nil, err
}

// setAside moves the record to a file that is not there yet. done is as of remove.
func (r *recordFile) setAside(ctx context.Context, suffix string) (done bool, err error) {
	if raw, err := r.read(r.path); err == nil && decodeContent(raw).state == nothing {
		return false, errNothing
	}
	suffix, err = spareName(suffix, func(suffix string) (bool, error) {
		if suffix == lockSuffix {
			return true, nil
		}
		return exists(r.beside(asideName(r.name(), suffix)))
	})
	if err != nil {
		return false, err
	}
	to := r.beside(asideName(r.name(), suffix))
	if err = r.rename(r.path, to); err == nil {
		return true, r.syncFolder()
	}
	if !r.inPlaceHelps(err) {
		return false, err
	}
	err = r.rewrite(ctx, err, encodeFrame(frameNothing, nil), func(now content, raw []byte) error {
		return r.copyAside(to, now, raw)
	})
	return err == nil, err
}

// dropKept removes the predecessor of a record that is whole.
func (r *recordFile) dropKept() { _ = os.Remove(r.beside(keptName(r.name()))) }

func (r *recordFile) syncFolder() error {
	if err := r.step(stepSync, r.folder()); err != nil {
		return err
	}
	return syncFolder(r.folder())
}

// inPlaceHelps reports whether the record may be written in place after an error of
// replacing it.
func (r *recordFile) inPlaceHelps(err error) bool {
	var failure *stepError
	return errors.As(err, &failure) && r.found && inPlaceHelps(failure.step, failure.err, r.ownFolder)
}
