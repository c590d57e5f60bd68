package store

import (
	"cmp"
	"context"
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

// begin makes the caller the only operation of f, and returns the file that the
// path leads to. Unless there is an error the caller leaves f.busy when done.
func (f *File) begin(ctx context.Context, op string) (*recordFile, error) {
	if err := f.busy.enter(ctx); err != nil {
		return nil, err
	}
	r, err := f.locate()
	if err != nil {
		f.busy.leave()
		return nil, failed(op, err)
	}
	return r, nil
}

// locate returns the file that the path leads to, if it may be used.
func (f *File) locate() (*recordFile, error) {
	user := os.Geteuid()
	if err := checkLinks(f.Path, user); err != nil {
		return nil, err
	}
	path, err := resolve(f.Path)
	if err != nil {
		return nil, err
	}
	if err := checkName(path); err != nil {
		return nil, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	r := &recordFile{path: path, user: user, fault: f.fault, note: f.notices.add}
	return r, r.examine()
}
