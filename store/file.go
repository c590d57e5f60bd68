package store

import (
	"context"
	"errors"
	"sync"
)

// File is a store that is a file. It is ready for use once Path is set, and must
// not be copied then. All methods are safe for concurrent use, but a value
// belongs to one user, and so does the memory of what was last loaded; other
// users of the same file take a File of their own.
//
// # Files beside the record
//
// Two empty files lie beside the record. They are made when needed, and stay:
// "<name>.lock" is held by Lock, and ".<name>.guard" for the moment in which a
// record is replaced. They must not be removed, nor their folder moved, while the
// record is in use: whoever locks anew then locks another file. A record is written to
// ".<name>.<number>.tmp" first, synced, and moved into place. Where such a name would
// have more than 255 bytes, a hash stands for the end of the record's name; the name of
// the lock file alone is never shortened, and every method refuses a record whose
// lock file would have too long a name.
//
// The locks are those that the operating system keeps for open files: they end
// with the process that holds them, however it ends, and hold between two values
// in one process as between two processes. They need a local disk; on a network
// file system they are worth what that makes of them. Where the file system has no
// locks at all, Save compares what is stored and replaces it in two steps, and two
// Saves at the same instant may not see each other.
//
// A process that is stopped while it holds Lock's lock keeps others from that alone.
// One that is stopped in the middle of a Save keeps them from Save, Delete and
// SetAside too, until it goes on or dies; all of these waits end with their contexts.
//
// # Files that cannot be replaced
//
// A file that is mounted by itself, as into a container, cannot be replaced, and in a
// folder that cannot be written none can be made. Save then writes the file in place,
// if the folder is not the user's own: a folder of one's own without the right to
// write is left alone. First it copies the former record to ".<name>.kept", if that can
// be made. If the process dies in the middle, Load returns the former record, and
// [File.Notices] says so; without the copy Load returns an error with a method
// Damaged() bool that returns true. A record that is written in place is stored byte
// for byte as one that replaces another, unless it has less than 64 bytes. Delete
// leaves a file that says that nothing is stored, and so does SetAside after it has
// copied the record; it refuses to give up a record that it cannot copy, unless that is
// empty, zero bytes, or half written.
//
// # Owners and modes
//
// The record is for its owner alone. If others have any permission to a record of the
// user's own, as on a volume with fsGroup in Kubernetes, its mode is set to 0600, and
// Notices says so. If the file belongs to another user, or keeps its mode, it is
// refused.
//
// A Save by root keeps the owner, the group and the owner's mode bits of the record.
// What root makes anew belongs to the owner of the record, or else to that of the
// folder, so that a command that is run as root once does not lock a service out.
//
// In a folder that others than root and the user can write, such as /tmp, no symbolic
// link is followed, and the record, the lock and the guard must belong to the user or
// to root; each method refuses others, with an error that says what to do. Root also
// accepts those of the folder's owner, if not everybody can write the folder and
// nobody else can have put it there. Directories on the way to the record's folder are
// checked before they are used, and not again: in a folder that others can write and
// that is not sticky, they can still exchange a directory at that very moment.
//
// File is developed on Linux; what it does on macOS and Windows is what the project's
// public CI has seen its tests do there. On Windows, where a file's mode does not tell
// who may access it, the access rights of the folder are all there is.
type File struct {
	// Path is the file that holds the record. It must be set before the first
	// call, and not be changed then. A relative one is relative to the working
	// directory at the time of each call.
	//
	// Symbolic links are followed, also one at the end, in folders that only the user
	// and root can write. What the last one leads to is replaced, and the other files
	// lie beside that, so that all paths to one file share its locks. A hard link
	// cannot be followed: the first Save parts the two.
	//
	// A missing folder is made, for its owner alone (0700), and so is the file
	// (0600). A folder that is missing because a link leads nowhere, to a disk that is
	// not mounted, say, is an error of every method: what is stored is not known.
	Path string

	turn gate // held from a Lock to its unlock
	busy gate // held by all other operations, one at a time; guards the two below

	seen  version
	swept bool // leftovers of a process that died were looked for

	notices notices
	fault   func(step, path string) error // of a test: the error that a step is to have
}

// Load returns the record. With nothing stored it returns an error that Is
// [fs.ErrNotExist]. A file that is not the user's and that others have permissions to,
// that is larger than 1 MiB, or no regular file at all is an error; so is one that was
// written in place and not to the end, if what was stored before is lost. Load waits
// for this value's other operations, and never for a lock, with one exception: while
// another process writes in place what could not be copied before, Load waits until
// it is done.
func (f *File) Load(ctx context.Context) ([]byte, error) {
	const op = "load"
	r, err := f.begin(ctx, op)
	if err != nil {
		return nil, err
	}
	defer f.busy.leave()
	now, err := r.current(ctx)
	switch {
	case err != nil:
		return nil, endedOr(ctx, op, err)
	case now.state == nothing:
		f.seen = version{}
		return nil, notStored(op)
	}
	f.seen = now.version()
	return now.data, nil
}

// Save writes data, 1 MiB of it at most, in place of the record that this value
// last loaded or saved. If that is not the one stored it changes nothing, and
// returns an error that Is [fs.ErrExist]. When it returns nil the record is safe
// on disk; after any error but one of the last step, the sync of the folder, the
// old one is there. It waits while another Save, of whichever process,
// replaces the record, but for nobody's Lock.
func (f *File) Save(ctx context.Context, data []byte) error {
	const op = "save"
	if len(data) > maxRecord {
		return failed(op, errTooLarge)
	}
	r, err := f.begin(ctx, op)
	if err != nil {
		return err
	}
	defer f.busy.leave()
	if err := r.makeFolder(); err != nil {
		return failed(op, err)
	}
	return guarded(ctx, op, r, func(held bool) error {
		if now, err := r.current(ctx); err != nil {
			return endedOr(ctx, op, err)
		} else if now.version() != f.seen {
			return conflict(op)
		}
		if held && !f.swept {
			// A leftover that stays is no reason not to save.
			f.swept = r.sweep() == nil
		}
		done, err := r.save(ctx, f.seen, data)
		if done {
			// It is there now, even if the folder cannot be synced: one who saves
			// again must not find it strange.
			f.seen = versionOf(data)
		}
		if errors.Is(err, errChanged) {
			return conflict(op)
		}
		return endedOr(ctx, op, err)
	})
}

// Delete removes the record, whichever it is, and what interrupted Saves have
// left of it. With nothing stored it does nothing. What was set aside stays.
func (f *File) Delete(ctx context.Context) error {
	const op = "delete"
	r, err := f.begin(ctx, op)
	if err != nil {
		return err
	}
	defer f.busy.leave()
	if found, err := exists(r.folder()); err != nil {
		return failed(op, err)
	} else if !found {
		f.seen = version{}
		return nil
	}
	return guarded(ctx, op, r, func(held bool) error {
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

// Lock waits until no other holds the lock, be it through this value, another
// one or another process, and takes it. It looks every 25 ms. The wait ends with
// ctx, whose cause is then returned. What is returned gives the lock back; calling
// it again does nothing but return the same error.
//
// Anything but a regular file in the place of the lock file is refused at once. Where
// no lock can be had, as the volume can only be read and has no lock file or as the file
// system does not lock, the error Is [errors.ErrUnsupported].
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
	r, err := f.locate()
	if err != nil {
		return nil, err
	}
	if err := r.makeFolder(); cannotLock(err) {
		return nil, unlockable{err}
	} else if err != nil {
		return nil, err
	}
	return r.take(ctx, r.beside(lockName(r.name())))
}

// SetAside renames the file to "<name>.<suffix>", for somebody to look at, and
// leaves nothing stored. A suffix is cut to 32 letters, digits, hyphens and
// underscores, whatever else is in it becoming one of the latter; when there is
// a file of that name a number is added. Where the name would have more than 255
// bytes, a hash stands for the end of the record's. With nothing stored it returns an error
// that Is [fs.ErrNotExist].
func (f *File) SetAside(ctx context.Context, suffix string) error {
	const op = "set aside"
	r, err := f.begin(ctx, op)
	if err != nil {
		return err
	}
	defer f.busy.leave()
	if found, err := exists(r.folder()); err != nil {
		return failed(op, err)
	} else if !found {
		f.seen = version{}
		return notStored(op)
	}
	return guarded(ctx, op, r, func(bool) error {
		found, err := exists(r.path)
		if err != nil {
			return failed(op, err)
		}
		done := !found
		if err = errNothing; found {
			done, err = r.setAside(ctx, suffix)
		}
		if done || errors.Is(err, errNothing) {
			f.seen = version{}
		}
		if errors.Is(err, errNothing) {
			return notStored(op)
		}
		return endedOr(ctx, op, err)
	})
}

// Notices returns what this value has noticed and repaired by itself since the last
// call, and forgets it: a mode that was set back to 0600, and a record whose
// predecessor is used as it was not written to the end. At most 16 are kept.
func (f *File) Notices() []error { return f.notices.take() }
