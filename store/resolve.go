package store

import (
	"cmp"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// maxLinks is the limit of links followed in a row, the same as on Linux.
const maxLinks = 40

// resolve follows the links of path. The file that it returns is a regular file, or
// does not exist.
func resolve(path string) (string, error) {
	if path == "" {
		return "", errNoPath
	}
	at := path
	for range maxLinks {
		// Dir, Base and Join are wrong here: they remove "link/..".
		folder, name := filepath.Split(at)
		if name == "" {
			return "", &fs.PathError{Op: "open", Path: path, Err: errNotRegular}
		}
		real, err := filepath.EvalSymlinks(cmp.Or(folder, "."))
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return filepath.Clean(at), checkMissing(filepath.Clean(folder))
		case err != nil:
			return "", err
		}
		at = filepath.Join(real, name)
		info, err := os.Lstat(at)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return at, nil
		case err != nil:
			return "", err
		case info.Mode().IsRegular():
			return at, nil
		case info.Mode().Type() != fs.ModeSymlink:
			return "", &fs.PathError{Op: "open", Path: at, Err: errNotRegular}
		}
		if at, err = readLink(real, at); err != nil {
			return "", err
		}
	}
	return "", &fs.PathError{Op: "open", Path: path, Err: errLinks}
}

// checkMissing returns an error if a folder is missing because the target of a link
// does not exist, for example on a disk that is not mounted. A record may be stored
// there.
func checkMissing(folder string) error {
	at := folder
	for {
		found, err := exists(at)
		if err != nil {
			return err
		}
		if found || at == filepath.Dir(at) {
			break
		}
		at = filepath.Dir(at)
	}
	if _, err := os.Stat(at); errors.Is(err, fs.ErrNotExist) {
		return &fs.PathError{Op: "open", Path: at, Err: errDangling}
	}
	return nil
}

// readLink returns the target of link, which is in folder.
func readLink(folder, link string) (string, error) {
	to, err := os.Readlink(link)
	if err != nil || filepath.IsAbs(to) {
		return to, err
	}
	return folder + string(filepath.Separator) + to, nil
}

// exists reports whether path exists, even as a link without a target.
func exists(path string) (bool, error) {
	_, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}
