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

// foldersTo returns the folders on path, which is without links, from the root or the
// working directory down. It omits those that do not exist.
func foldersTo(path string) ([]folder, error) {
	var folders []folder
	for at := filepath.Clean(path); ; at = filepath.Dir(at) {
		info, err := os.Stat(at)
		switch {
		case err == nil:
			folders = append(folders, folder{attributesOf(info), info.Mode()})
		case !errors.Is(err, fs.ErrNotExist):
			return nil, err
		}
		if at == filepath.Dir(at) {
			slices.Reverse(folders)
			return folders, nil
		}
	}
}

// checkLinks returns an error if a link on path is in a folder that others than root
// and the user can write: one of them may have created it.
func checkLinks(path string, user int) error {
	at, rest := start(".", path)
	for links := 0; rest != "" && links <= maxLinks; {
		var name string
		name, rest, _ = strings.Cut(rest, "/")
		next := filepath.Join(at, name)
		info, err := os.Lstat(next)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil
		case err != nil:
			return err
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

// start returns the folder where path starts, which is folder if path is relative, and
// the rest of path.
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
