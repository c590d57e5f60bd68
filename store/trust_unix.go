//go:build unix

package store

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

func attributesOf(info fs.FileInfo) attributes {
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return attributes{}
	}
	return attributes{known: true, owner: int(stat.Uid), group: int(stat.Gid), linked: stat.Nlink > 1}
}

// foldersTo returns the folders from the root, or from the working directory, to one
// that no link leads to. Those that do not exist are left out.
func foldersTo(path string) ([]folder, error) {
	var way []folder
	for at := filepath.Clean(path); ; at = filepath.Dir(at) {
		info, err := os.Stat(at)
		switch {
		case err == nil:
			way = append(way, folder{attributesOf(info), info.Mode()})
		case !errors.Is(err, fs.ErrNotExist):
			return nil, err
		}
		if at == filepath.Dir(at) {
			slices.Reverse(way)
			return way, nil
		}
	}
}

// checkLinks returns an error if a link on the way that path takes lies in a folder
// that others than root and the user can write: one of them may have put it there.
// What else is wrong with the way is for others to find.
func checkLinks(path string, user int) error {
	at, rest := start(".", path)
	for links := 0; rest != "" && links <= maxLinks; {
		var name string
		name, rest, _ = strings.Cut(rest, "/")
		next := filepath.Join(at, name)
		info, err := os.Lstat(next)
		if err != nil {
			return nil //nolint:nilerr // resolve follows the same way, and says what is wrong with it
		}
		if info.Mode().Type() != fs.ModeSymlink {
			at = next
			continue
		}
		if err := checkFolder(at, user); err != nil {
			return &fs.PathError{Op: "open", Path: next, Err: err}
		}
		to, err := os.Readlink(next)
		if err != nil {
			return err
		}
		links++
		at, rest = start(at, to+"/"+rest)
	}
	return nil
}

// start returns where a path begins that is relative to folder, and the rest of it.
func start(folder, path string) (at, rest string) {
	if rest = strings.TrimLeft(path, "/"); rest != path {
		return "/", rest
	}
	return folder, rest
}

func checkFolder(path string, user int) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if d := (folder{attributesOf(info), info.Mode()}); !d.writableOnlyBy(superuser, user) {
		return errSharedLink
	}
	return nil
}
