// Package credentials reads the parameters of a sign-on that nobody types: from a file,
// from standard input, or from the folder in which systemd puts a service's credentials.
//
// Parameters are lines of the form name=value. A value is everything after the first "=",
// with its spaces and quotes. Empty lines, and lines that begin with "#", are ignored.
// Or they are JSON: an object of strings, or an array of objects with a name and a value.
// The order is kept, and a name may repeat.
//
// No error contains a part of what was read, except for the names of parameters.
package credentials

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/agsauth/agsauth/ags"
)

// maxSize bounds the parameters: they are names and passwords.
const maxSize = 64 << 10

// The credentials of systemd that ReadParameters reads: a whole file of parameters, and
// the value of the parameter whose name follows the prefix.
const (
	paramsFile  = "agsauth.params"
	paramPrefix = "agsauth.param."
)

// StandardInput is the path that stands for standard input.
const StandardInput = "-"

// ReadParameters reads the parameters in the file at path, or in stdin if path is
// [StandardInput]. If path is empty and folder is not, it reads those in the folder, which
// is systemd's $CREDENTIALS_DIRECTORY: the credential agsauth.params has parameters as a
// file has them, and agsauth.param.NAME is the value of the parameter NAME, without its
// final newline. ReadParameters returns neither parameters nor an error if path is empty
// and the folder has none, or if both are empty. A file or standard input without
// parameters is an error.
func ReadParameters(path string, stdin io.Reader, folder string) ([]ags.Parameter, error) {
	switch {
	case path == StandardInput:
		return readFrom(stdin, "standard input")
	case path != "":
		return readFile(path)
	case folder != "":
		return readFolder(folder)
	}
	return nil, nil
}

func readFile(path string) ([]ags.Parameter, error) {
	text, err := readPrivate(path)
	if err != nil {
		return nil, err
	}
	return named(path)(parse(text))
}

func readFrom(r io.Reader, name string) ([]ags.Parameter, error) {
	text, err := readBounded(r)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return named(name)(parse(text))
}

// readFolder reads the credentials in the order of their names.
func readFolder(folder string) ([]ags.Parameter, error) {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return nil, fmt.Errorf("read the credentials of systemd: %w", err)
	}
	var params []ags.Parameter
	for _, entry := range entries {
		path := filepath.Join(folder, entry.Name())
		name, isValue := strings.CutPrefix(entry.Name(), paramPrefix)
		switch {
		case entry.Name() == paramsFile:
			found, err := readFile(path)
			if err != nil {
				return nil, err
			}
			params = append(params, found...)
		case isValue && name != "":
			value, err := readPrivate(path)
			if err != nil {
				return nil, err
			}
			value = bytes.TrimSuffix(bytes.TrimSuffix(value, []byte("\n")), []byte("\r"))
			params = append(params, ags.Parameter{Name: name, Value: string(value)})
		}
	}
	return params, nil
}

// readPrivate reads a file that not everybody can read. It judges what it has opened, so
// that nobody can replace the file in between.
func readPrivate(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		return nil, fmt.Errorf("%s: it is a folder, not a file", path)
	}
	if runtime.GOOS != "windows" && isExposed(info.Mode()) {
		return nil, fmt.Errorf("%s: other users can read or change it (mode %04o); run: chmod 600 %[1]s", path, info.Mode().Perm())
	}
	text, err := readBounded(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return text, nil
}

// Exposed reports whether the file at path is open to users that could not read a file of
// parameters. It returns false for a file that does not exist, and on Windows.
func Exposed(path string) bool {
	info, err := os.Stat(path)
	return err == nil && runtime.GOOS != "windows" && isExposed(info.Mode())
}

// isExposed reports whether more users than the owner can change a file, or whether others
// than its group can read it. The group may read it: that is how Kubernetes, with an
// fsGroup, and systemd, with an access list, give a secret to one service.
func isExposed(mode fs.FileMode) bool {
	return mode.Perm()&0o027 != 0
}

func readBounded(r io.Reader) ([]byte, error) {
	text, err := io.ReadAll(io.LimitReader(r, maxSize+1))
	switch {
	case err != nil:
		return nil, withoutPath(err)
	case len(text) > maxSize:
		return nil, fmt.Errorf("more than %d KiB: it is no list of parameters", maxSize>>10)
	}
	return text, nil
}

// withoutPath returns the cause of an error whose path the caller names.
func withoutPath(err error) error {
	if pathErr, ok := errors.AsType[*fs.PathError](err); ok {
		return pathErr.Err
	}
	return err
}

// named returns a function that adds the name of a source to an error.
func named(name string) func([]ags.Parameter, error) ([]ags.Parameter, error) {
	return func(params []ags.Parameter, err error) ([]ags.Parameter, error) {
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		return params, nil
	}
}
