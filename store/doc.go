// Package store keeps one record, a session of a few kilobytes, where it
// outlives the process: [File] on disk, [Memory] for tests and for programs that
// need no more. [Sealed] encrypts what either of them, or a store of your own, keeps.
//
// A store knows nothing of what is in the record. It keeps bytes, and four
// promises about them:
//
//  1. A record is whole. Load returns one as it was saved, never half of one,
//     whenever it is called and whatever dies in the middle of a Save.
//  2. Nothing is overwritten unseen. Save is compare-and-swap: it succeeds only
//     if what is stored is what the same value last loaded or saved. A value
//     that has loaded nothing can only create.
//  3. "Nothing stored" is said only when that is so: an error that Is
//     [fs.ErrNotExist] means it and nothing else, and one that Is [fs.ErrExist]
//     means that Save found another record. Every other error says that the
//     store could not be used now, and nothing about what is in it.
//  4. No error holds any of the record.
//
// A record of [File] that was being written in place when its process died, where
// nothing could be kept, is an exception to the first promise that a reader is told of:
// see there. So is a file system without locks to the second.
//
// # What a store says besides
//
// An error of Load may have two methods without parameters. LeaveAlone() bool reports
// that what is stored may be good for somebody else, and is to be left alone.
// Damaged() bool reports that it can be nobody's, and may be set aside. An error of Lock
// that Is [errors.ErrUnsupported] says that there can be no lock at all.
//
// A store that repairs something by itself may have a method Notices() []error, which
// returns, and forgets, what that was. [File] has one, and [Sealed] passes it on.
//
// # Several processes
//
// The second promise holds between processes, without any lock of the caller's.
// Lock serves another end: one that holds it can do something outside the store,
// such as spending a refresh token, and know that all others who lock keep from
// doing the same meanwhile. It keeps nobody from loading or saving.
//
//	unlock, err := s.Lock(ctx)     // others wait here
//	…
//	defer unlock()
//	record, err := s.Load(ctx)     // perhaps one of them has done it already
//	…
//	err = s.Save(ctx, changed)     // Is fs.ErrExist if somebody who does not lock came between
//
// A value belongs to one user, which remembers what it loaded as the value does.
// Its methods may be called from several goroutines, but all of these count as
// one: what one goroutine loads, another can save over. To have two users of one
// record, take two values: two Files with the same Path, a Memory and its
// [Memory.Peer].
//
// # Contexts
//
// A context that is over before the work begins ends every method with its
// cause, and so does one that ends while a method waits for a lock. What the
// operating system does cannot be interrupted: with a disk that hangs a method
// hangs, too, and who cannot afford that calls it from a goroutine of its own.
package store
