package store

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"sync"
)

// File is a store that keeps the record in a file. Path must be set before the first
// call. A File must not be copied after first use. All methods are safe for concurrent
// use. A File counts as one user of the record, however many goroutines call it; other
// users of the same file need a File of their own.
//
// # Files beside the record
//
// File creates two empty files in the folder of the record: "<name>.lock", which Lock
// holds, and ".<name>.guard", which Save, Delete and SetAside hold while they change
// the record. Do not remove these files or move the folder while the record is in use:
// processes that lock afterwards would use other files. Save writes the record to a
// temporary file, ".<name>.<number>.tmp", syncs it, and renames it. If a name would
// exceed 255 bytes, a hash replaces its end. The name of the lock file is never
// shortened; if it would be too long, every method returns an error.
//
// The locks are file locks of the operating system. They end with the process that holds
// them, and exclude two Files in one process as they exclude two processes. They are
// reliable on local disks; on network file systems that depends on the file system.
// Where there are no locks at all, Save cannot compare and replace in one step, and two
// simultaneous Saves may both succeed.
//
// A process that is stopped while it holds the lock of Lock blocks only Lock. A
// process that is stopped during Save, Delete or SetAside blocks these methods too,
// until it continues or dies. All waits end with their contexts.
//
// # Files that cannot be replaced
//
// A file that is itself a mount point, as in a container, cannot be replaced by a
// rename, and in a folder without write permission no temporary file can be created.
// Save then writes the file in place, unless the folder belongs to the user: a folder
// that its owner made read-only is respected. First Save copies the previous record to
// ".<name>.kept", if that file can be created. If the process dies while it writes,
// Load returns the previous record and adds a notice, see [File.Notices]; without
// the copy, Load returns an error whose method Damaged() bool returns true. The file
// contains the bytes of the record, as otherwise, unless they are fewer than 64.
// Delete leaves a file that says that nothing is stored. SetAside does so too, after it
// has copied the record. If it cannot copy the record it returns an error, unless the
// record is empty, contains only zero bytes, or is incomplete.
//
// # Owners and modes
//
// Only the owner of the record may have access to it. If the record belongs to the user
// and others have permissions, as on a Kubernetes volume with fsGroup, File sets the
// mode to 0600 and adds a notice. If such a file belongs to another user, or its mode
// cannot be changed, each method that reads it returns an error.
//
// If root saves, the owner, the group and the owner's permissions of the record stay
// the same. A file that root creates gets the owner of the record or, if there is no
// record, of the folder. So a command that is run once as root does not lock out the
// service that uses the record.
//
// In a folder that is writable by others than root and the user, such as /tmp, File
// follows no symbolic links, and the record, the lock file and the guard must belong to
// the user or to root; otherwise each method returns an error that says what to do.
// Root also accepts files of the folder's owner, if the folder is not world-writable
// and only root or its owner can have created it. The parents of the folder are checked
// only at the start of each call: users who can write one that is not sticky can
// exchange a folder during the call.
//
// File is developed on Linux; the project's public CI tests it on macOS and Windows. On
// Windows, where the mode of a file does not describe access, only the access rights of
// the folder protect the record.
type File struct {
	// Path is the path of the record's file. It is required, and must not change
	// after the first call. A relative path is relative to the working directory at
	// the time of each call.
	//
	// File follows symbolic links, including one at the end of the path, in folders
	// that only the user and root can write. It replaces the target of the last link,
	// and creates the other files beside the target, so that all paths to one file use
	// the same locks. Hard links are separated by the first Save.
	//
	// A missing folder is created with mode 0700, and the file with mode 0600. If a
	// folder is missing because the target of a link does not exist, for example on a
	// disk that is not mounted, every method returns an error: it is unknown what is
	// stored.
	Path string

	lockMu mutex // held from Lock until its unlock
	mu     mutex // held by each of the other operations; guards the fields below

	seen  version // of the record last loaded or saved
	swept bool    // temporary files of dead processes were removed

	notices notices
	fault   func(step, path string) error // set by tests: makes a step fail
}

// Load returns the record. If nothing is stored, the error Is [fs.ErrNotExist]. Load
// returns an error if the file is larger than 1 MiB, is not a regular file, belongs to
// another user and gives others access, or is incomplete without a copy of the previous
// record. It waits for other operations of this File, but for no lock, with one
// exception: if another process is writing in place without a copy of the previous
// record, Load waits for it.
func (f *File) Load(ctx context.Context) ([]byte, error) {
	const op = "load"
	r, err := f.begin(ctx, op)
	if err != nil {
		return nil, err
	}
	defer f.mu.unlock()
	now, err := r.current(ctx)
	if err != nil {
		return nil, endedOr(ctx, op, err)
	}
	f.seen = now.version()
	if now.state == nothing {
		return nil, notStored(op)
	}
	return now.data, nil
}

// Save stores data, at most 1 MiB, in place of the record that this File last loaded
// or saved. If another record is stored, Save changes nothing and returns an error that
// Is [fs.ErrExist]. When Save returns nil, the record is synced to disk. After an
// error the previous record is stored, unless only the last step failed, which syncs
// the folder. Save waits for Save, Delete and SetAside of other processes, but not for
// Lock.
func (f *File) Save(ctx context.Context, data []byte) error {
	const op = "save"
	if len(data) > maxRecord {
		return failed(op, errTooLarge)
	}
	r, err := f.begin(ctx, op)
	if err != nil {
		return err
	}
	defer f.mu.unlock()
	if err := r.makeFolder(); err != nil {
		return failed(op, err)
	}
	return r.guarded(ctx, op, func(held bool) error {
		if now, err := r.current(ctx); err != nil {
			return endedOr(ctx, op, err)
		} else if now.version() != f.seen {
			return conflict(op)
		}
		if held && !f.swept {
			f.swept = r.sweep() == nil // an error must not prevent the Save
		}
		done, err := r.save(ctx, f.seen, data)
		if done {
			// Even if the folder could not be synced: the next Save must not
			// conflict with this one.
			f.seen = versionOf(data)
		}
		if errors.Is(err, errChanged) {
			return conflict(op)
		}
		return endedOr(ctx, op, err)
	})
}

// Delete removes the record, no matter which one is stored, and the temporary files of
// interrupted Saves. If nothing is stored it does nothing. Records that were set aside
// stay.
func (f *File) Delete(ctx context.Context) error {
	const op = "delete"
	r, err := f.begin(ctx, op)
	if err != nil {
		return err
	}
	defer f.mu.unlock()
	if !r.hasFolder {
		f.seen = version{}
		return nil
	}
	return r.guarded(ctx, op, func(held bool) error {
		done, err := r.remove(ctx)
		if done {
			f.seen = version{}
		}
		if done && held {
			err = errors.Join(err, r.sweep())
		}
		return endedOr(ctx, op, err)
	})
}

// Lock waits until it holds the lock of the record, exclusively among all Files and
// processes. It polls every 25 ms. If ctx ends first, Lock returns the cause. The lock
// is held until unlock is called, even if ctx ends; further calls of unlock do nothing
// and return the same error.
//
// Lock fails at once if the lock file is not a regular file. If no lock is possible,
// since the volume is read-only and has no lock file, or since the file system has no
// locks, the error Is [errors.ErrUnsupported].
//
// The lock excludes only other callers of Lock. The other methods may be called with
// and without it.
func (f *File) Lock(ctx context.Context) (unlock func() error, err error) {
	if err := f.lockMu.lock(ctx); err != nil {
		return nil, err
	}
	release, err := f.acquire(ctx)
	if err != nil {
		f.lockMu.unlock()
		return nil, endedOr(ctx, "lock", err)
	}
	return sync.OnceValue(func() error {
		defer f.lockMu.unlock()
		return failed("unlock", release())
	}), nil
}

// SetAside renames the file to "<name>.<suffix>", so that it can be examined; nothing
// is stored afterwards. The suffix is cut to 32 characters; all except letters, digits,
// hyphens and underscores become underscores. If a file of that name exists, SetAside
// adds a number. If the name would exceed 255 bytes, a hash replaces the end of the
// record's name. If nothing is stored, the error Is [fs.ErrNotExist].
func (f *File) SetAside(ctx context.Context, suffix string) error {
	const op = "set aside"
	r, err := f.begin(ctx, op)
	if err != nil {
		return err
	}
	defer f.mu.unlock()
	if !r.hasFolder {
		f.seen = version{}
		return notStored(op)
	}
	return r.guarded(ctx, op, func(bool) error {
		done, err := r.setAside(ctx, suffix)
		missing := errors.Is(err, errNothing)
		if done || missing {
			f.seen = version{}
		}
		if missing {
			return notStored(op)
		}
		return endedOr(ctx, op, err)
	})
}

// Notices returns, and removes, the notices of repairs that this File made: a mode that
// was set to 0600, or the use of the previous record since the current one was
// incomplete. At most 16 are kept.
func (f *File) Notices() []error { return f.notices.take() }

// begin locks f.mu and locates the record. Unless it returns an error, the caller must
// unlock f.mu.
func (f *File) begin(ctx context.Context, op string) (*recordFile, error) {
	if err := f.mu.lock(ctx); err != nil {
		return nil, err
	}
	r, err := f.locate()
	if err != nil {
		f.mu.unlock()
		return nil, failed(op, err)
	}
	return r, nil
}

// locate follows the links of Path, and checks that the record may be used.
func (f *File) locate() (*recordFile, error) {
	user := os.Geteuid()
	if err := checkLinks(f.Path, user); err != nil {
		return nil, err
	}
	path, err := resolve(f.Path)
	if err != nil {
		return nil, err
	}
	if err := checkName(path); err != nil {
		return nil, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	r := &recordFile{path: path, user: user, fault: f.fault, notice: f.notices.add}
	return r, r.inspect()
}

// acquire locks the lock file.
func (f *File) acquire(ctx context.Context) (release func() error, err error) {
	r, err := f.locate()
	if err != nil {
		return nil, err
	}
	switch err := r.makeFolder(); {
	case cannotLock(err):
		return nil, noLockError{err}
	case err != nil:
		return nil, err
	}
	return r.lock(ctx, r.sibling(lockName(r.name())))
}
