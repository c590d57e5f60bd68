// Package store stores the record of a session, a few kilobytes, so that it outlasts
// the process. [File] stores it on disk; [Memory] stores it in memory, for tests.
// [Sealed] encrypts the record before another store stores it. To share a session
// between the processes of one host give each a File with the same Path:
//
//	file := &store.File{Path: "/var/lib/myservice/session.json"}
//	source, err := tokensource.New(tokensource.Config{Refresher: client, Store: file})
//
// A store does not interpret the record. It guarantees:
//
//  1. A record is complete. Load returns a record exactly as it was saved, even while
//     a Save is running or after a process died during a Save.
//  2. Save is a compare-and-swap. It succeeds only if the stored record is the one that
//     the same value last loaded or saved. A value that has loaded nothing can only
//     create a record.
//  3. An error that Is [fs.ErrNotExist] means that nothing is stored, and an error that
//     Is [fs.ErrExist] means that Save found another record. All other errors mean that
//     the store cannot be used at present, and say nothing about what is stored.
//  4. No error contains a part of the record.
//
// [File] has two documented exceptions: to the first guarantee if a process dies while
// it writes a file in place without a copy of the previous record, which Load reports
// as an error, and to the second on file systems without locks.
//
// # Several processes
//
// Save is safe between processes without a lock. Lock protects actions outside the
// store, such as the use of a refresh token: while one process holds the lock, no other
// that calls Lock does the same. It does not block Load or Save.
//
//	unlock, err := s.Lock(ctx)
//	…
//	defer unlock()
//	record, err := s.Load(ctx) // another process may have changed it meanwhile
//	…
//	err = s.Save(ctx, changed) // Is fs.ErrExist if a process saved without the lock
//
// A value counts as one user of the record. Its methods may be called from several
// goroutines; what one goroutine loads, another can then overwrite. For two users of
// one record use two values: two Files with the same Path, or a Memory and its
// [Memory.Peer].
//
// # Contexts
//
// Every method returns the cause of a context that has ended before the call, or while
// the method waits for a lock. System calls cannot be interrupted: if the disk hangs,
// the method hangs too. Callers that cannot wait must call it in another goroutine.
//
// # Optional methods
//
// An error of Load may have the methods LeaveAlone() bool, which reports that others may
// be able to use the record, so that it must not be replaced, and Damaged() bool,
// which reports that nobody can use the record, so that it may be set aside. An error of
// Lock that Is [errors.ErrUnsupported] means that no lock is possible.
//
// A store that repairs something by itself may have a method Notices() []error, which
// returns and removes the descriptions of these repairs. [File] has one, and [Sealed]
// returns those of the store that it wraps.
package store
