package doctor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/gofrs/flock"
)

// A lock that is held for longer than lockPatience is worth a warning. A refresh takes
// less, if the gateway is well.
const (
	lockPatience = time.Second
	lockPoll     = 50 * time.Millisecond
)

func checkLock(ctx context.Context, e *examination) Result {
	if e.Settings != nil && e.Settings.IsRedis() {
		return checkRedisLock(ctx, e)
	}
	if result, applies := e.inFile(); !applies {
		return result
	}
	path := e.Settings.Store
	if to, err := filepath.EvalSymlinks(path); err == nil {
		path = to
	}
	path += ".lock"
	held, err := isHeld(ctx, func(context.Context) (bool, error) { return isLocked(path) })
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return ok("nobody holds it")
	case err != nil:
		return failure("the lock of the session cannot be taken: "+err.Error(), "set store to a path on a local disk, and check the owner of the lock file")
	}
	return judgeLock(held, holderOf(path))
}

// isHeld polls a lock until it is free or lockPatience has passed.
func isHeld(ctx context.Context, isLocked func(context.Context) (bool, error)) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, lockPatience)
	defer cancel()
	for {
		held, err := isLocked(ctx)
		if err != nil || !held {
			return held, err
		}
		select {
		case <-ctx.Done():
			return true, nil
		case <-time.After(lockPoll):
		}
	}
}

// isLocked reports whether another process holds a lock file. It takes the lock for a
// moment and releases it. It neither makes the file nor changes its mode.
func isLocked(path string) (held bool, err error) {
	lock := flock.New(path, flock.SetFlag(os.O_RDONLY))
	taken, err := lock.TryLock()
	if err != nil {
		return false, err
	}
	if !taken {
		return true, nil
	}
	return false, lock.Unlock()
}

func judgeLock(held bool, holder string) Result {
	if !held {
		return ok("it can be taken; nobody holds it")
	}
	by := "a process"
	if holder != "" {
		by = holder
	}
	return warning(fmt.Sprintf("%s has held the lock of the session for more than %s", by, lockPatience),
		"wait for its refresh or sign-on; if it hangs or is stopped, end it")
}
