package store

import (
	"bytes"
	"cmp"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
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

// makeFolder makes the folder of target if there is none.
func makeFolder(target string) error { return os.MkdirAll(filepath.Dir(target), 0o700) }

func exists(path string) (bool, error) {
	_, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// readRecord returns what is in the file, which is a record that may be used.
func readRecord(path string) ([]byte, error) {
	file, err := openRecord(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	// Of what was opened, not of the path: that may have come to be another.
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, &fs.PathError{Op: "open", Path: path, Err: errNotRegular}
	}
	if err := checkPrivate(info); err != nil {
		return nil, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	var data bytes.Buffer
	if _, err := data.ReadFrom(io.LimitReader(file, maxRecord+1)); err != nil {
		return nil, err
	}
	if data.Len() > maxRecord {
		return nil, &fs.PathError{Op: "read", Path: path, Err: errTooLarge}
	}
	return data.Bytes(), nil
}

// currentVersion returns the version of what is in the file now.
func currentVersion(path string) (version, error) {
	data, err := readRecord(path)
	if errors.Is(err, fs.ErrNotExist) {
		return version{}, nil
	} else if err != nil {
		return version{}, err
	}
	return versionOf(data), nil
}

// replace puts a new file, for this user alone, in the place of the one at path:
// in one step, and not before all of it is on disk. If it fails nothing is
// changed, and nothing left behind.
func replace(path string, data []byte) error {
	// In the same folder, since a file cannot be moved to another file system.
	// CreateTemp gives the permissions 0600.
	file, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*.tmp")
	if err != nil {
		return err
	}
	_, err = file.Write(data)
	if err == nil {
		err = file.Sync()
	}
	err = errors.Join(err, file.Close())
	if err == nil {
		err = os.Rename(file.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(file.Name()))
	}
	return nil
}

// sweep removes the temporary files that replace has left beside path when its
// process died. The guard must be held: else they may be somebody's who lives.
func sweep(path string) error {
	folder, name := filepath.Dir(path), filepath.Base(path)
	entries, err := os.ReadDir(folder)
	if err != nil {
		return err
	}
	var errs []error
	for _, entry := range entries {
		if entry.Type().IsRegular() && isTemporary(entry.Name(), name) {
			errs = append(errs, os.Remove(filepath.Join(folder, entry.Name())))
		}
	}
	return errors.Join(errs...)
}

// isTemporary reports whether file is a name that replace gives to a temporary
// file of the record name. It must not take another record's for ours: between
// "name.5" and its number there is a dot.
func isTemporary(file, name string) bool {
	number, ok := strings.CutPrefix(file, "."+name+".")
	if !ok {
		return false
	}
	number, ok = strings.CutSuffix(number, ".tmp")
	return ok && number != "" && strings.Trim(number, "0123456789") == ""
}
