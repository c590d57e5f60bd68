package store

import (
	"cmp"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// maxLinks is how many links in a row are followed, as many as Linux does.
const maxLinks = 40

// resolve returns the file that path leads to, links followed. It need not
// exist, but if there is something it is a regular file.
func resolve(path string) (string, error) {
	if path == "" {
		return "", errNoPath
	}
	at := path
	for range maxLinks {
		// Not Dir, Base and Join on what has links in it: they take "link/.." for
		// nothing, which it is not.
		folder, name := filepath.Split(at)
		if name == "" {
			return "", &fs.PathError{Op: "open", Path: path, Err: errNotRegular}
		}
		real, err := filepath.EvalSymlinks(cmp.Or(folder, "."))
		if errors.Is(err, fs.ErrNotExist) {
			return filepath.Clean(at), checkMissing(filepath.Clean(folder))
		} else if err != nil {
			return "", err
		}
		folder = real
		at = filepath.Join(folder, name)
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
		if at, err = readLink(folder, at); err != nil {
			return "", err
		}
	}
	return "", &fs.PathError{Op: "open", Path: path, Err: errLinks}
}

// checkMissing returns an error if a folder is missing only because a link on the
// way to it leads nowhere: to a disk that is not mounted, say. Then nobody can tell
// what is stored.
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

// readLink returns where link, which lies in folder, leads to.
func readLink(folder, link string) (string, error) {
	to, err := os.Readlink(link)
	if err != nil || filepath.IsAbs(to) {
		return to, err
	}
	return folder + string(filepath.Separator) + to, nil
}

func exists(path string) (bool, error) {
	_, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}
