package store

import (
	"context"
	"crypto/sha256"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
)

// File is a store that is a file. It is ready for use once Path is set, and must
// not be copied then. All methods are safe for concurrent use, but a value
// belongs to one user, and so does the memory of what was last loaded; other
// users of the same file take a File of their own.
//
// Beside the file lie two empty ones, which are made when needed and stay:
// "<name>.lock" is held by Lock, and ".<name>.guard" for the moment in which a
// record is replaced. They must not be removed, nor their folder moved, while the
// file is in use: who locks anew then locks another file. What is written is written
// to ".<name>.<number>.tmp" first, synced, and moved into place.
//
// A process that is stopped while it holds Lock's lock keeps others from that alone.
// One that is stopped in the middle of a Save keeps them from Save, Delete and
// SetAside too, until it goes on or dies; all of these waits end with their contexts.
//
// The locks are those that the operating system keeps for open files: they end
// with the process that holds them, however it ends, and hold between two values
// in one process as between two processes. They need a local disk; on a network
// file system they are worth what that makes of them. File is developed on Linux; what
// it does on macOS and Windows is what the project's public CI has seen its tests do
// there.
type File struct {
	// Path is the file that holds the record. It must be set before the first
	// call, and not be changed then. A relative one is relative to the working
	// directory at the time of each call.
	//
	// Symbolic links are followed, also one at the end: what it leads to is
	// replaced, and the other files lie beside that, so that all paths to one
	// file share its locks. A hard link cannot be followed: the first Save parts
	// the two.
	//
	// A missing folder is made, for this user alone (0700), and so is the file
	// (0600). One that is missing because a link leads nowhere, to a disk that is
	// not mounted, say, is an error of every method: what is stored is not known. A file that others have any permission to is refused; on Windows,
	// where its mode does not tell, the rights of the folder are all there is.
	Path string

	turn gate // held from a Lock to its unlock
	busy gate // held by all other operations, one at a time; guards all below

	seen  version
	swept bool // leftovers of a process that died were looked for
}

// A version tells one record from another by what is in it. That a record may
// return to what it was before, unnoticed, does no harm: what would be
// overwritten is still what was loaded. The zero version is that of no record.
type version struct {
	stored bool
	sum    [sha256.Size]byte
}

func versionOf(data []byte) version { return version{true, sha256.Sum256(data)} }

// Load returns the record. With nothing stored it returns an error that Is
// [fs.ErrNotExist]. A file that others have permissions to, that is larger than
// 1 MiB or no regular file at all is an error. It waits for this value's other
// operations only, never for a lock.
func (f *File) Load(ctx context.Context) ([]byte, error) {
	target, err := f.begin(ctx, "load")
	if err != nil {
		return nil, err
	}
	defer f.busy.leave()
	data, err := readRecord(target)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		f.seen = version{}
		return nil, notStored("load")
	case err != nil:
		return nil, failed("load", err)
	}
	f.seen = versionOf(data)
	return data, nil
}

// Save writes data, 1 MiB of it at most, in place of the record that this value
// last loaded or saved. If that is not the one stored it changes nothing, and
// returns an error that Is [fs.ErrExist]. When it returns nil the record is safe
// on disk; after any error but one of the last step, the sync of the folder, the
// old one is there untouched. It waits while another Save, of whichever process,
// replaces the record, but for nobody's Lock.
func (f *File) Save(ctx context.Context, data []byte) error {
	const op = "save"
	if len(data) > maxRecord {
		return failed(op, errTooLarge)
	}
	target, err := f.begin(ctx, op)
	if err != nil {
		return err
	}
	defer f.busy.leave()
	if err := makeFolder(target); err != nil {
		return failed(op, err)
	}
	return guarded(ctx, op, target, func() error {
		if current, err := currentVersion(target); err != nil {
			return failed(op, err)
		} else if current != f.seen {
			return conflict(op)
		}
		if !f.swept {
			// A leftover that stays is no reason not to save.
			f.swept = sweep(target) == nil
		}
		if err := replace(target, data); err != nil {
			return failed(op, err)
		}
		// It is there now, even if the folder cannot be synced: one who saves
		// again must not find it strange.
		f.seen = versionOf(data)
		return failed(op, syncFolder(filepath.Dir(target)))
	})
}

// Delete removes the record, whichever it is, and what interrupted Saves have
// left of it. With nothing stored it does nothing. What was set aside stays.
func (f *File) Delete(ctx context.Context) error {
	const op = "delete"
	target, err := f.begin(ctx, op)
	if err != nil {
		return err
	}
	defer f.busy.leave()
	if found, err := exists(filepath.Dir(target)); err != nil {
		return failed(op, err)
	} else if !found {
		f.seen = version{}
		return nil
	}
	return guarded(ctx, op, target, func() error {
		if err := os.Remove(target); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return failed(op, err)
		}
		f.seen = version{}
		return failed(op, errors.Join(sweep(target), syncFolder(filepath.Dir(target))))
	})
}

// Lock waits until no other holds the lock, be it through this value, another
// one or another process, and takes it. It looks every 25 ms. The wait ends with
// ctx, whose cause is then returned. What is returned gives the lock back; calling
// it again does nothing but return the same error.
//
// The lock keeps out those who take it, and nobody else; in particular one who
// holds it may use all other methods.
func (f *File) Lock(ctx context.Context) (unlock func() error, err error) {
	const op = "lock"
	if err := f.turn.enter(ctx); err != nil {
		return nil, err
	}
	release, err := f.takeLock(ctx)
	if err != nil {
		f.turn.leave()
		return nil, endedOr(ctx, op, err)
	}
	return sync.OnceValue(func() error {
		defer f.turn.leave()
		return failed("unlock", release())
	}), nil
}

func (f *File) takeLock(ctx context.Context) (release func() error, err error) {
	target, err := resolve(f.Path)
	if err != nil {
		return nil, err
	}
	if err := makeFolder(target); err != nil {
		return nil, err
	}
	return take(ctx, target+"."+lockSuffix)
}

// SetAside renames the file to "<name>.<suffix>", for somebody to look at, and
// leaves nothing stored. A suffix is cut to 32 letters, digits, hyphens and
// underscores, whatever else is in it becoming one of the latter; when there is
// a file of that name a number is added. With nothing stored it returns an error
// that Is [fs.ErrNotExist].
func (f *File) SetAside(ctx context.Context, suffix string) error {
	const op = "set aside"
	target, err := f.begin(ctx, op)
	if err != nil {
		return err
	}
	defer f.busy.leave()
	if found, err := exists(filepath.Dir(target)); err != nil {
		return failed(op, err)
	} else if !found {
		f.seen = version{}
		return notStored(op)
	}
	return guarded(ctx, op, target, func() error {
		if found, err := exists(target); err != nil {
			return failed(op, err)
		} else if !found {
			f.seen = version{}
			return notStored(op)
		}
		name, err := spareName(suffix, func(name string) (bool, error) {
			if name == lockSuffix {
				return true, nil
			}
			return exists(target + "." + name)
		})
		if err != nil {
			return failed(op, err)
		}
		if err := os.Rename(target, target+"."+name); err != nil {
			return failed(op, err)
		}
		f.seen = version{}
		return failed(op, syncFolder(filepath.Dir(target)))
	})
}

// begin makes the caller the only operation of f, and returns the file that the
// path leads to. Unless there is an error the caller leaves f.busy when done.
func (f *File) begin(ctx context.Context, op string) (target string, err error) {
	if err := f.busy.enter(ctx); err != nil {
		return "", err
	}
	if target, err = resolve(f.Path); err != nil {
		f.busy.leave()
		return "", failed(op, err)
	}
	return target, nil
}
