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

// poll is how often a lock held elsewhere is looked at: rarely enough to cost
// nothing, often enough for a wait that ends with somebody's network call.
const poll = 25 * time.Millisecond

// pause waits before a lock is looked at again. If ctx ends first it returns the cause.
func pause(ctx context.Context) error {
	next, cancel := context.WithTimeout(ctx, poll)
	defer cancel()
	<-next.Done()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return nil
}

// guarded calls change while no other process, and no other value, changes the
// record. The guard is not the lock that callers take: one of them may hold that
// for as long as it likes, or be stopped while it does, and a pair of tokens that
// was just paid for must still get to disk.
//
// Where nothing can be locked change is called all the same: a record that is never
// saved is lost for certain. It is told whether the guard is held.
func guarded(ctx context.Context, op string, r *recordFile, change func(held bool) error) error {
	release, err := r.take(ctx, r.beside(guardName(r.name())))
	switch {
	case errors.Is(err, errors.ErrUnsupported):
		return change(false)
	case err != nil:
		return endedOr(ctx, op, err)
	}
	return both(change(true), failed(op, release()))
}

// take locks the file at path, which it makes if there is none, and never
// removes: one that waits for a removed file's lock would share it with nobody. The
// error Is [errors.ErrUnsupported] when there can be no lock.
//
// Each call opens the file anew, since a lock belongs to what was opened: two of
// one process exclude each other as two processes do.
func (r *recordFile) take(ctx context.Context, path string) (release func() error, err error) {
	for {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if err := r.prepareLock(path); err != nil {
			return nil, err
		}
		l := flock.New(path, flock.SetFlag(r.lockFlags()))
		locked, err := false, r.step(stepLock, path)
		if err == nil {
			locked, err = l.TryLock()
		}
		switch {
		case errors.Is(err, fs.ErrNotExist): // removed since
		case err != nil:
			return nil, r.explainLock(path, err)
		case locked:
			// What was locked, and not what was looked at before.
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

// lockFlags returns the flags that a lock file is opened with.
func (r *recordFile) lockFlags() int {
	flags := os.O_RDONLY | lockFlags
	switch runtime.GOOS {
	case "aix", "solaris", "illumos": // lock only what is open for writing
		flags = os.O_RDWR | lockFlags
	}
	if r.rules.shared {
		flags |= lockFlagsShared
	}
	return flags
}

// prepareLock makes a lock file if there is none, and refuses one that is not to be
// used. One that is there is not opened for writing: it may lie on a volume that can
// only be read.
func (r *recordFile) prepareLock(path string) error {
	info, err := r.statLock(path)
	if errors.Is(err, fs.ErrNotExist) {
		if err := r.makeLock(path); err != nil {
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
	// Whoever can open it can hold the lock; so others must not, if that can be.
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

// makeLock makes a lock file, which is empty.
func (r *recordFile) makeLock(path string) error {
	flags := os.O_RDONLY | os.O_CREATE | lockFlags
	if r.rules.shared {
		flags |= makeFlagsShared
	}
	err := r.step(stepCreate, path)
	var file *os.File
	if err == nil {
		file, err = os.OpenFile(filepath.Clean(path), flags, 0o600)
	}
	switch {
	case errors.Is(err, fs.ErrExist): // another was faster
		return nil
	case cannotLock(err), r.inPlaceHelps(&stepError{stepCreate, err}) && r.writable():
		return unlockable{err}
	case err != nil:
		return err
	}
	_ = r.inherit(file) // who cannot give it away is not kept from locking
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

// explainLock adds to an error of locking what a caller, or a reader, can use.
func (r *recordFile) explainLock(path string, err error) error {
	if cannotLock(err) {
		return unlockable{err}
	}
	info, statErr := r.statLock(path)
	if statErr != nil || !errors.Is(err, fs.ErrPermission) {
		return err
	}
	if is := attributesOf(info); is.known && is.owner != r.user {
		return fmt.Errorf("%w (it belongs to user %d: give it to the owner of the record, with chown)", err, is.owner)
	}
	return err
}

// both returns the error that there is, if it is one, and else both: the cause of a
// context's end is returned as it is.
func both(err, then error) error {
	if then == nil {
		return err
	}
	return errors.Join(err, then)
}

// endedOr returns the cause of ctx's end if that is what err is, else err as op's
// failure.
func endedOr(ctx context.Context, op string, err error) error {
	if cause := context.Cause(ctx); cause != nil && errors.Is(err, cause) {
		return cause
	}
	return failed(op, err)
}
