package gateway

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/pelletier/go-toml/v2"

	"github.com/agsauth/agsauth/cmd/agsauth/internal/exit"
)

// version is the newest version of the file that this program can read.
const version = 1

// ReadFile sets the settings that a TOML file has. All errors are usage errors, and have
// nothing of the file but its keys: it may have passwords.
func (s *Settings) ReadFile(path string) error {
	content, err := os.ReadFile(path)
	if err != nil {
		return exit.Usagef("the gateway's file cannot be read: %w", err)
	}
	var only struct {
		Version int `toml:"version"`
	}
	if err := toml.Unmarshal(content, &only); err != nil {
		return wrongFile(path, err)
	}
	if only.Version > version || only.Version < 0 {
		return exit.Usagef("%s is of version %d, and this agsauth reads version %d; install a newer agsauth", path, only.Version, version)
	}
	file := struct {
		Version int `toml:"version"`
		*Settings
	}{Settings: s}
	if err := toml.NewDecoder(bytes.NewReader(content)).DisallowUnknownFields().Decode(&file); err != nil {
		return wrongFile(path, err)
	}
	return nil
}

// wrongFile returns the error of a file that cannot be decoded.
func wrongFile(path string, err error) error {
	if unknown, ok := errors.AsType[*toml.StrictMissingError](err); ok && len(unknown.Errors) > 0 {
		row, _ := unknown.Errors[0].Position()
		return exit.Usagef("%s, line %d: there is no setting %q; see agsauth gateway --help", path, row, strings.Join(unknown.Errors[0].Key(), "."))
	}
	wrong, ok := errors.AsType[*toml.DecodeError](err)
	if !ok {
		return exit.Usagef("%s: a value is of the wrong kind; write durations like \"5s\", in quotes", path)
	}
	row, column := wrong.Position()
	if key := strings.Join(wrong.Key(), "."); key != "" {
		return exit.Usagef("%s, line %d: the value of %q is not valid; write text and durations, like \"5s\", in quotes", path, row, key)
	}
	return exit.Usagef("%s, line %d, column %d: not valid; the file is TOML", path, row, column)
}

// Duration is a duration as text, like "5s", or a number of seconds. It may be missing.
type Duration struct {
	time.Duration
	Given bool
}

// UnmarshalText sets d from text.
func (d *Duration) UnmarshalText(text []byte) error { return d.Set(string(text)) }

// Set sets d from text. It implements a flag's value.
func (d *Duration) Set(text string) error {
	if parsed, err := time.ParseDuration(text); err == nil {
		*d = Duration{parsed, true}
		return nil
	}
	seconds, err := strconv.ParseInt(text, 10, 32)
	if err != nil {
		return fmt.Errorf("%q is not a duration; use one like 5s or 1h30m", text)
	}
	*d = Duration{time.Duration(seconds) * time.Second, true}
	return nil
}

// String returns d as text, empty if it is missing.
func (d *Duration) String() string {
	if !d.Given {
		return ""
	}
	return d.Duration.String()
}

// Type returns the placeholder of a flag's value.
func (*Duration) Type() string { return "DURATION" }
