package doctor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// facts are what is known of a file or a folder.
type facts struct {
	path string
	mode fs.FileMode
	// readable and writable report whether other users than the owner can read or write
	// it. They are false on systems whose modes do not say so.
	readable, writable bool
	// owner is its owner and user the effective user, if hasOwner is set.
	hasOwner    bool
	owner, user int
}

const superuser = 0

// inFile returns a result for the checks of a stored file if they do not apply.
func (e *examination) inFile() (Result, bool) {
	switch {
	case e.Settings == nil:
		return noSettings(), false
	case e.Settings.IsRedis():
		return skipped("the session is stored in Redis"), false
	case e.isUnknownStore():
		return skipped("the setting store is neither a path nor a URL of Redis"), false
	}
	return Result{}, true
}

// isUnknownStore reports whether the setting store is a URL of something else than Redis.
// It is not shown, since it may have a password.
func (e *examination) isUnknownStore() bool {
	return strings.Contains(e.Resolved.Values["store"].Text, "://") && !e.Settings.IsRedis()
}

// checkSessionFile looks at the file without opening it: whoever reads it by way of
// store.File also repairs its mode.
func checkSessionFile(_ context.Context, e *examination) Result {
	if result, applies := e.inFile(); !applies {
		return result
	}
	path := e.Settings.Store
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return ok("%s does not exist yet; a sign-on makes it", path)
	case err != nil:
		return failure("the session file cannot be examined: "+err.Error(), "run agsauth as the user that the file belongs to")
	}
	return judgeFile(factsOf(path, info))
}

func judgeFile(f facts) Result {
	switch {
	case !f.mode.IsRegular():
		return failure(f.path+" is not a regular file", "set store to the path of a file")
	case f.hasOwner && f.owner != f.user && f.user != superuser:
		return failure(fmt.Sprintf("%s belongs to another user, %d", f.path, f.owner), "run agsauth as that user, or set store to another file")
	case f.readable || f.writable:
		return failure(fmt.Sprintf("%s has the mode %04o, so that other users have access to the session", f.path, f.mode.Perm()),
			"run chmod 600 on it; if others can sign in to this machine, also run agsauth logout and agsauth login")
	}
	return ok("%s can be read by its owner only", f.path)
}

func checkSessionFolder(_ context.Context, e *examination) Result {
	if result, applies := e.inFile(); !applies {
		return result
	}
	folders := foldersTo(filepath.Dir(e.Settings.Store))
	if len(folders) == 0 {
		return failure(filepath.Dir(e.Settings.Store)+" cannot be examined", "set store to a path in a folder that you can use")
	}
	return judgeFolders(folders, folders[0].path == filepath.Dir(e.Settings.Store))
}

// foldersTo returns the folders on the way to path, from path up. It omits those that do
// not exist.
func foldersTo(path string) []facts {
	var folders []facts
	for at := filepath.Clean(path); ; at = filepath.Dir(at) {
		if info, err := os.Stat(at); err == nil {
			folders = append(folders, factsOf(at, info))
		}
		if at == filepath.Dir(at) {
			return folders
		}
	}
}

// judgeFolders judges the folder of the session, the first one if it exists, and those
// above it. Who can write a folder can replace what is in it, unless it is sticky.
func judgeFolders(folders []facts, exists bool) Result {
	const hint = "set store to a path in a folder that only you can write, or run chmod go-w on the folder"
	for i, f := range folders {
		isOwn := i == 0 && exists
		switch {
		case !f.mode.IsDir():
			return failure(f.path+" is not a folder", "set store to a path in a folder")
		case f.writable && f.mode&fs.ModeSticky == 0:
			return failure(fmt.Sprintf("other users can write the folder %s, mode %04o, and so replace the session", f.path, f.mode.Perm()), hint)
		case f.writable && isOwn:
			return warning(fmt.Sprintf("other users can make files in the folder %s", f.path), hint)
		case isOwn && f.hasOwner && f.owner != f.user && f.owner != superuser && f.user != superuser:
			return failure(fmt.Sprintf("the folder %s belongs to another user, %d", f.path, f.owner), "run agsauth as that user, or set store to a path in a folder of your own")
		}
	}
	if !exists {
		return ok("the folder does not exist yet; a sign-on makes it")
	}
	return ok("only its owner can write %s", folders[0].path)
}
