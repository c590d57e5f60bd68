package config

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/pelletier/go-toml/v2"

	"github.com/agsauth/agsauth/cmd/agsauth/internal/exit"
	"github.com/agsauth/agsauth/cmd/agsauth/internal/replacefile"
)

// version is the newest version of the files that this program can read.
const version = 1

// file is a configuration file.
type file struct {
	Version        int                       `toml:"version"`
	DefaultProfile string                    `toml:"default-profile"`
	Profiles       map[string]map[string]any `toml:"profile"`
}

// parse decodes a configuration file. path is for errors.
func parse(content []byte, path string) (*file, error) {
	if err := checkVersion(content, path); err != nil {
		return nil, err
	}
	var f file
	decoder := toml.NewDecoder(bytes.NewReader(content)).DisallowUnknownFields()
	err := decoder.Decode(&f)
	var unknown *toml.StrictMissingError
	if errors.As(err, &unknown) && len(unknown.Errors) > 0 {
		row, _ := unknown.Errors[0].Position()
		return nil, exit.Usagef("%s, line %d: there is no key %q; profiles are tables like [profile.NAME]",
			path, row, strings.Join(unknown.Errors[0].Key(), "."))
	}
	if err != nil {
		return nil, malformed(path, err)
	}
	for name := range f.Profiles {
		if !isProfileName(name) {
			return nil, exit.Usagef("%s: %q cannot name a profile; use letters, digits, dots, hyphens and underscores", path, name)
		}
	}
	return &f, nil
}

// checkVersion returns an error for a file of a newer version, whatever else is in it.
func checkVersion(content []byte, path string) error {
	var only struct {
		Version int `toml:"version"`
	}
	if err := toml.Unmarshal(content, &only); err != nil {
		return malformed(path, err)
	}
	if only.Version > version || only.Version < 0 {
		return exit.Usagef("%s is of version %d, and this agsauth reads version %d; install a newer agsauth", path, only.Version, version)
	}
	return nil
}

// malformed returns the error of a file that is no TOML. It does not quote the file,
// which may have secrets in it.
func malformed(path string, err error) error {
	if decode, ok := errors.AsType[*toml.DecodeError](err); ok {
		row, column := decode.Position()
		return exit.Usagef("%s, line %d, column %d: not valid; the file is TOML", path, row, column)
	}
	return exit.Usagef("%s: not valid; the file is TOML", path)
}

// remembered is the file beside a session that says how it was made.
type remembered struct {
	Version int `toml:"version"`
	// Device is the client identifier of the device. The session has it too, but the file
	// of that may be damaged.
	Device   string            `toml:"device,omitempty"`
	Settings map[string]string `toml:"settings"`
}

// rememberedName is the name of that file.
const rememberedName = "settings.toml"

// readRemembered returns what the last sign-on of the profile in folder has stored. It is
// empty if there was none.
func readRemembered(folder string) (r remembered, err error) {
	path := filepath.Join(folder, rememberedName)
	content, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return r, nil
	} else if err != nil {
		return r, exit.Usagef("the settings of the last sign-on cannot be read: %w", err)
	}
	if err := checkVersion(content, path); err != nil {
		return r, err
	}
	if err := toml.Unmarshal(content, &r); err != nil {
		return remembered{}, malformed(path, err)
	}
	return r, nil
}

// Remember stores the settings with which a session was made, so that later commands
// of the profile use the same gateway, and the client identifier of the device, so that
// the next sign-on registers no other one. It replaces those of an earlier session.
func (r *Resolved) Remember(device string) error {
	keep := remembered{Version: version, Device: device, Settings: map[string]string{}}
	for _, setting := range All() {
		value, ok := r.Values[setting.Key]
		if !ok || !setting.Remembered || hasPassword(value.Text) {
			continue
		}
		if setting.Path {
			value.Text = absolute(value.Text)
		}
		keep.Settings[setting.Key] = value.Text
	}
	content, err := toml.Marshal(keep)
	if err == nil {
		err = os.MkdirAll(r.Folder, 0o700)
	}
	if err == nil {
		err = replacefile.Write(filepath.Join(r.Folder, rememberedName), func(f *os.File) error {
			_, err := f.Write(content)
			return err
		})
	}
	if err != nil {
		return fmt.Errorf("remember the settings of the sign-on: %w", err)
	}
	return nil
}

// Forget removes what Remember has stored.
func (r *Resolved) Forget() error {
	err := os.Remove(filepath.Join(r.Folder, rememberedName))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("forget the settings of the sign-on: %w", err)
	}
	return nil
}
