package store

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// makeFolder creates the record's folder if it does not exist, with mode 0700. If root
// creates it, it gets the owner of its parent, if that owner is trusted.
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
	if owner := r.rules.newOwner; owner.known {
		for _, folder := range missing {
			chownFolder(folder, owner)
		}
	}
	return r.inspect()
}

// chownFolder changes the owner of a folder, if it can.
func chownFolder(path string, owner attributes) {
	file, err := os.OpenFile(filepath.Clean(path), os.O_RDONLY|openFlags, 0)
	if err != nil {
		return
	}
	defer func() { _ = file.Close() }()
	// The check uses the open file, since path may be another file by now.
	if info, err := file.Stat(); err == nil && info.IsDir() {
		_ = file.Chown(owner.owner, owner.group)
	}
}

// setOwner gives a new file the owner of the record or, if there is no record, of the
// folder. For users other than root it does nothing.
func (r *recordFile) setOwner(file *os.File) error {
	owner := r.rules.newOwner
	if r.found && r.attrs.known {
		owner = r.attrs
	}
	if r.user != superuser || !owner.known {
		return nil
	}
	info, err := file.Stat()
	if err != nil {
		return err
	}
	if attrs := attributesOf(info); attrs.owner == owner.owner && attrs.group == owner.group {
		return nil
	}
	return r.do(stepOwner, file.Name(), func() error { return file.Chown(owner.owner, owner.group) })
}

// fill writes and syncs a new file that is to replace path. It fails if the file does
// not get the owner of a record that it replaces; for other files the owner does not
// matter.
func (r *recordFile) fill(file *os.File, path string, data []byte) error {
	if _, err := file.Write(data); err != nil {
		return err
	}
	if mode := r.mode.Perm() & 0o700; r.found && r.attrs.known && mode != 0o600 {
		if err := file.Chmod(mode); err != nil {
			return err
		}
	}
	if err := r.setOwner(file); err != nil && r.found && path == r.path {
		return err
	}
	return file.Sync()
}

// replace replaces the file at path atomically: it writes and syncs a temporary file
// and renames it. If it fails, the old file is unchanged.
func (r *recordFile) replace(path string, data []byte) error {
	file, err := r.create(path, func() (*os.File, error) {
		// In the same folder, since a rename works only within a file system. The
		// mode of CreateTemp is 0600.
		return os.CreateTemp(r.folder(), temporaryStart(r.name())+"*"+temporaryEnd)
	})
	if err != nil {
		return err
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

func (r *recordFile) create(path string, open func() (*os.File, error)) (file *os.File, err error) {
	err = r.do(stepCreate, path, func() error { file, err = open(); return err })
	return file, err
}

func (r *recordFile) rename(from, to string) error {
	return r.do(stepRename, to, func() error { return os.Rename(from, to) })
}

// sweep removes the temporary files of processes that died during replace. The caller
// must hold the guard: otherwise a file may belong to a running process.
func (r *recordFile) sweep() error {
	entries, err := os.ReadDir(r.folder())
	if err != nil {
		return err
	}
	var errs []error
	for _, entry := range entries {
		if entry.Type().IsRegular() && isTemporary(entry.Name(), r.name()) {
			errs = append(errs, os.Remove(r.sibling(entry.Name())))
		}
	}
	return errors.Join(errs...)
}

// save replaces the record with version seen, or returns errChanged. done reports
// whether data is stored afterwards, which can be so even with an error.
func (r *recordFile) save(ctx context.Context, seen version, data []byte) (done bool, err error) {
	err = r.replace(r.path, encodeRecord(data, false))
	if err == nil {
		r.removeBackup()
		return true, r.syncFolder()
	}
	err = r.rewrite(ctx, err, encodeRecord(data, true), func(now content, _ []byte) error {
		if !now.isComplete() || now.version() != seen {
			return errChanged
		}
		return nil
	})
	return err == nil, err
}

// remove removes the record. done reports whether nothing is stored afterwards, which
// can be so even with an error.
func (r *recordFile) remove(ctx context.Context) (done bool, err error) {
	err = r.do(stepRemove, r.path, func() error { return os.Remove(r.path) })
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		r.removeBackup()
		return true, r.syncFolder()
	}
	err = r.rewrite(ctx, err, encodeFrame(frameNothing, nil), func(content, []byte) error { return nil })
	return err == nil, err
}

// setAside renames the record to an unused name. Its results are those of remove, or
// errNothing.
func (r *recordFile) setAside(ctx context.Context, suffix string) (done bool, err error) {
	raw, err := r.read(r.path)
	if errors.Is(err, fs.ErrNotExist) || err == nil && decodeContent(raw).state == nothing {
		return false, errNothing
	}
	suffix, err = unusedSuffix(suffix, func(suffix string) (bool, error) {
		if suffix == lockSuffix {
			return true, nil
		}
		return exists(r.sibling(asideName(r.name(), suffix)))
	})
	if err != nil {
		return false, err
	}
	to := r.sibling(asideName(r.name(), suffix))
	if err = r.rename(r.path, to); err == nil {
		return true, r.syncFolder()
	}
	err = r.rewrite(ctx, err, encodeFrame(frameNothing, nil), func(now content, raw []byte) error {
		return r.copyAside(to, now, raw)
	})
	return err == nil, err
}

func (r *recordFile) removeBackup() { _ = os.Remove(r.sibling(backupName(r.name()))) }

func (r *recordFile) syncFolder() error {
	return r.do(stepSync, r.folder(), func() error { return syncFolder(r.folder()) })
}

// inPlaceHelps reports whether the record may be written in place after err, an error
// of replacing it.
func (r *recordFile) inPlaceHelps(err error) bool {
	var failure *stepError
	return r.found && errors.As(err, &failure) && inPlaceHelps(failure.step, failure.err, r.ownFolder)
}
