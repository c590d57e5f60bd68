package store

import (
	"context"
	"errors"
	"path/filepath"
	"time"

	"github.com/gofrs/flock"
)

const (
	// lockSuffix names the file that Lock holds, behind the record's own name.
	lockSuffix = "lock"
	// poll is how often a lock held elsewhere is looked at: rarely enough to
	// cost nothing, often enough for a wait that ends with somebody's network
	// call.
	poll = 25 * time.Millisecond
)

// guarded calls change while no other process, and no other value, changes the
// record. The guard is not the lock that callers take: one of them may hold that
// for as long as it likes, or be stopped while it does, and a pair of tokens that
// was just paid for must still get to disk.
func guarded(ctx context.Context, op, target string, change func() error) error {
	release, err := take(ctx, filepath.Join(filepath.Dir(target), "."+filepath.Base(target)+".guard"))
	if err != nil {
		return endedOr(ctx, op, err)
	}
	err = change()
	return errors.Join(err, failed(op, release()))
}

// take locks the file at path, which it makes if there is none, and never
// removes: one that waits for a removed file's lock would share it with nobody.
//
// Each call opens the file anew, since a lock belongs to what was opened: two of
// one process exclude each other as two processes do.
func take(ctx context.Context, path string) (release func() error, err error) {
	l := flock.New(path)
	if _, err := l.TryLockContext(ctx, poll); err != nil {
		return nil, err
	}
	return l.Unlock, nil
}

// endedOr returns the cause of ctx's end if it is over, else err as op's failure.
func endedOr(ctx context.Context, op string, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return failed(op, err)
}
