package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/gofrs/flock"
)

// pollInterval is the time between two attempts to lock a file.
const pollInterval = 25 * time.Millisecond

// pause waits for pollInterval. If ctx ends first it returns the cause.
func pause(ctx context.Context) error {
	next, cancel := context.WithTimeout(ctx, pollInterval)
	defer cancel()
	<-next.Done()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return nil
}

// guarded calls change while no other File or process changes the record. It locks the
// guard and not the lock file: a process may hold that for any time, and a Save must
// not wait for it.
//
// Where no locks are possible, guarded calls change without the guard, since otherwise
// nothing could ever be saved. held reports whether the guard is held.
func (r *recordFile) guarded(ctx context.Context, op string, change func(held bool) error) error {
	unlock, err := r.lock(ctx, r.sibling(guardName(r.name())))
	switch {
	case errors.Is(err, errors.ErrUnsupported):
		return change(false)
	case err != nil:
		return endedOr(ctx, op, err)
	}
	return both(change(true), failed(op, unlock()))
}

// lock locks the file at path. It creates the file if it does not exist, and never
// removes it: a process that waits for the lock of a removed file excludes nobody. If
// no locks are possible, the error Is [errors.ErrUnsupported].
//
// Each call opens the file, since a lock belongs to the open file: two Files of one
// process then exclude each other.
func (r *recordFile) lock(ctx context.Context, path string) (unlock func() error, err error) {
	for {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if err := r.prepareLock(path); err != nil {
			return nil, err
		}
		l := flock.New(path, flock.SetFlag(r.lockFlags()))
		err := r.do(stepLock, path, func() error { _, err := l.TryLock(); return err })
		switch {
		case errors.Is(err, fs.ErrNotExist): // removed since prepareLock
		case err != nil:
			return nil, r.explainLock(path, err)
		case l.Locked():
			// The file at path may have changed since prepareLock.
			info, err := l.Stat()
			if err == nil {
				err = r.check(path, info)
			}
			if err != nil {
				return nil, errors.Join(err, l.Unlock())
			}
			return l.Unlock, nil
		}
		if err := pause(ctx); err != nil {
			return nil, err
		}
	}
}

func (r *recordFile) lockFlags() int {
	flags := os.O_RDONLY | lockFlags
	switch runtime.GOOS {
	case "aix", "solaris", "illumos": // where an exclusive lock needs write access
		flags = os.O_RDWR | lockFlags
	}
	if r.rules.shared {
		flags |= lockFlagsShared
	}
	return flags
}

// prepareLock creates a lock file if it does not exist, and refuses one that must not
// be used. It does not open an existing one for writing, since the volume may be
// read-only.
func (r *recordFile) prepareLock(path string) error {
	info, err := r.statLock(path)
	if errors.Is(err, fs.ErrNotExist) {
		if err := r.createLock(path); err != nil {
			return err
		}
		info, err = r.statLock(path)
	}
	if err == nil {
		err = r.check(path, info)
	}
	if err != nil || isPrivate(info.Mode()) || attributesOf(info).owner != r.user {
		return err
	}
	// Other users who can open the file could hold the lock. open removes their
	// permissions; an error must not prevent the lock.
	if file, err := r.open(path, os.O_RDONLY); err == nil {
		_ = file.Close()
	}
	return nil
}

func (r *recordFile) statLock(path string) (fs.FileInfo, error) {
	if r.rules.shared {
		return os.Lstat(path)
	}
	return os.Stat(path)
}

func (r *recordFile) createLock(path string) error {
	flags := os.O_RDONLY | os.O_CREATE | lockFlags
	if r.rules.shared {
		flags |= createFlagsShared
	}
	file, err := r.create(path, func() (*os.File, error) { return os.OpenFile(filepath.Clean(path), flags, 0o600) })
	switch {
	case errors.Is(err, fs.ErrExist): // created by another process since
		return nil
	case cannotLock(err), r.inPlaceHelps(err) && r.writable():
		return noLockError{err}
	case err != nil:
		return err
	}
	_ = r.setOwner(file) // an error must not prevent the lock
	return file.Close()
}

// writable reports whether the record can be written in place.
func (r *recordFile) writable() bool {
	file, err := r.open(r.path, os.O_RDWR)
	if err != nil {
		return false
	}
	return file.Close() == nil
}

// explainLock adds to an error of locking what its reader needs to know.
func (r *recordFile) explainLock(path string, err error) error {
	if cannotLock(err) {
		return noLockError{err}
	}
	info, statErr := r.statLock(path)
	if statErr != nil || !errors.Is(err, fs.ErrPermission) {
		return err
	}
	if attrs := attributesOf(info); attrs.known && attrs.owner != r.user {
		return fmt.Errorf("%w (it belongs to user %d: give it to the owner of the record, with chown)", err, attrs.owner)
	}
	return err
}
