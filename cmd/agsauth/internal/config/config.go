// Package config resolves the settings of a profile. A flag goes before an environment
// variable, that before the configuration file, and that before what the last sign-on
// of the profile has remembered. A profile that is named by the flag --profile goes
// before the environment.
package config

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"

	"github.com/agsauth/agsauth/cmd/agsauth/internal/exit"
)

// Sources are where values come from.
type Sources struct {
	// Flags are the flags that were given, without the hyphens.
	Flags map[string]string
	// LookupEnv returns an environment variable.
	LookupEnv func(name string) (string, bool)
	// ConfigHome and StateHome are the folders of the user's configuration and state.
	// The files of this program are in a folder "agsauth" below each.
	ConfigHome, StateHome string
	// NewProfile allows that nothing is known of the profile yet.
	NewProfile bool
}

// env returns the value of an environment variable. One that is empty is not set.
func (s Sources) env(name string) string {
	value, ok := s.LookupEnv(name)
	if !ok {
		return ""
	}
	return value
}

// The names of flags that choose where settings are read from, and are none.
const (
	FlagProfile = "profile"
	FlagConfig  = "config"
)

const defaultProfile = "default"

// Value is a value and where it comes from.
type Value struct {
	Text string
	// Origin describes the source, for example "flag --gateway". It is empty if
	// nothing sets the value.
	Origin string
}

// Resolved are the values of a profile, with their origins.
type Resolved struct {
	// Profile is the name of the profile.
	Profile Value
	// File is the path of the configuration file; its origin is empty if there is no
	// such file.
	File Value
	// Folder is where the state of the profile is kept.
	Folder string
	// Values are the values by the key of their setting.
	Values map[string]Value
	// Parameters and Headers are the tables of the file.
	Parameters, Headers map[string]string
	// Remembered are the values of the last sign-on, and Device is the client identifier
	// of its device.
	Remembered map[string]string
	Device     string
}

// Resolve reads the sources and chooses the profile and its values. All errors are
// usage errors.
func Resolve(s Sources) (*Resolved, error) {
	r := &Resolved{Values: map[string]Value{}}
	file, err := r.readFile(s)
	if err != nil {
		return nil, err
	}
	if err := r.take(s, file); err != nil {
		return nil, err
	}
	return r, nil
}

// take chooses the profile and its values.
func (r *Resolved) take(s Sources, file *file) error {
	byFlag, err := r.chooseProfile(s, file)
	if err != nil {
		return err
	}
	r.Folder = filepath.Join(s.StateHome, "agsauth", r.Profile.Text)
	if err := r.checkIsKnown(s, file); err != nil {
		return err
	}
	last, err := readRemembered(r.Folder)
	if err != nil {
		return err
	}
	r.Remembered, r.Device = last.Settings, last.Device
	profile := file.Profiles[r.Profile.Text]
	if err := r.takeTables(profile); err != nil {
		return err
	}
	inFile, err := texts(profile, r.InFile())
	if err != nil {
		return err
	}
	for _, setting := range All() {
		if v, ok := r.choose(s, setting, inFile, byFlag); ok {
			r.Values[setting.Key] = v
		}
	}
	return nil
}

// choose returns the value of a setting. profileFirst puts the file before the
// environment.
func (r *Resolved) choose(s Sources, setting Setting, inFile map[string]string, profileFirst bool) (Value, bool) {
	if text, ok := s.Flags[setting.Key]; ok {
		return Value{text, "flag --" + setting.Key}, true
	}
	fromEnv := s.env(setting.Env())
	fromFile, isInFile := inFile[setting.Key]
	switch remembered, isRemembered := r.Remembered[setting.Key]; {
	case fromEnv != "" && (!profileFirst || !isInFile):
		return Value{fromEnv, "environment " + setting.Env()}, true
	case isInFile:
		if setting.Path {
			fromFile = beside(r.File.Text, fromFile)
		}
		return Value{fromFile, r.InFile()}, true
	case isRemembered:
		return Value{remembered, "last sign-on"}, true
	case setting.Default != "":
		return Value{setting.Default, "default"}, true
	}
	return Value{}, false
}

// Set sets a value that a command has found out, for example by asking the user.
func (r *Resolved) Set(key, text, origin string) { r.Values[key] = Value{text, origin} }

// Command returns the command line of a command of this program for the same profile.
func (r *Resolved) Command(name string) string {
	if r.Profile.Origin == "default" {
		return "agsauth " + name
	}
	return "agsauth " + name + " --profile " + r.Profile.Text
}

// InFile describes the profile's table of the configuration file.
func (r *Resolved) InFile() string {
	return fmt.Sprintf("file %s, profile %s", r.File.Text, r.Profile.Text)
}

// chooseProfile finds the name of the profile, and whether a flag gave it.
func (r *Resolved) chooseProfile(s Sources, file *file) (byFlag bool, err error) {
	name, byFlag := s.Flags[FlagProfile]
	fromEnv := s.env("AGSAUTH_PROFILE")
	switch {
	case byFlag:
		r.Profile = Value{name, "flag --profile"}
	case fromEnv != "":
		r.Profile = Value{fromEnv, "environment AGSAUTH_PROFILE"}
	case file.DefaultProfile != "":
		r.Profile = Value{file.DefaultProfile, "file " + r.File.Text}
	default:
		r.Profile = Value{defaultProfile, "default"}
	}
	if !isProfileName(r.Profile.Text) {
		return false, exit.Usagef("%s: %q cannot name a profile; use letters, digits, dots, hyphens and underscores",
			r.Profile.Origin, r.Profile.Text)
	}
	return byFlag, nil
}

// isProfileName reports whether a name can be that of a profile, and so of a folder.
func isProfileName(name string) bool {
	return len(name) <= 64 && regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._-]*$`).MatchString(name)
}

// takeTables takes the tables of a profile.
func (r *Resolved) takeTables(profile map[string]any) error {
	for key, into := range map[string]*map[string]string{"parameters": &r.Parameters, "headers": &r.Headers} {
		value, ok := profile[key]
		if !ok {
			continue
		}
		table, ok := value.(map[string]any)
		if !ok {
			return exit.Usagef("%s: %s is not a table; write [profile.%s.%s]", r.InFile(), key, r.Profile.Text, key)
		}
		*into = map[string]string{}
		for _, name := range slices.Sorted(maps.Keys(table)) {
			text, ok := table[name].(string)
			if !ok {
				return exit.Usagef("%s: the value of %s.%s is not a string", r.InFile(), key, name)
			}
			(*into)[name] = text
		}
	}
	return nil
}

// texts returns the settings of a profile's table as text.
func texts(profile map[string]any, where string) (map[string]string, error) {
	found := map[string]string{}
	for _, key := range slices.Sorted(maps.Keys(profile)) {
		if key == "parameters" || key == "headers" {
			continue
		}
		if _, ok := find(key); !ok {
			return nil, exit.Usagef("%s: there is no setting %q; agsauth config show lists them", where, key)
		}
		switch value := profile[key].(type) {
		case string:
			found[key] = value
		case bool:
			found[key] = fmt.Sprint(value)
		default:
			return nil, exit.Usagef("%s: the value of %s is neither a string nor true or false", where, key)
		}
	}
	return found, nil
}

// readFile reads the configuration file. There need be none, unless it was named.
func (r *Resolved) readFile(s Sources) (*file, error) {
	path, named := s.Flags[FlagConfig]
	r.File = Value{path, "flag --config"}
	if !named {
		path = s.env("AGSAUTH_CONFIG")
		named = path != ""
		r.File = Value{path, "environment AGSAUTH_CONFIG"}
	}
	if !named {
		r.File = Value{filepath.Join(s.ConfigHome, "agsauth", "config.toml"), "default"}
	}
	content, err := os.ReadFile(r.File.Text)
	switch {
	case err == nil:
		return parse(content, r.File.Text)
	case os.IsNotExist(err) && !named:
		r.File.Origin = ""
		return &file{}, nil
	}
	if !named {
		return nil, exit.Usagef("the configuration file cannot be read: %w", err)
	}
	return nil, exit.Usagef("%s: the configuration file cannot be read: %w", r.File.Origin, err)
}
