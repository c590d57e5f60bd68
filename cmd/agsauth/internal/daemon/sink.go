package daemon

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/agsauth/agsauth/cmd/agsauth/internal/replacefile"
	"github.com/agsauth/agsauth/cmd/agsauth/internal/tokenformat"
)

// Sink is a file that holds the current token, for programs that read it from there.
//
// The file is replaced by a rename, so that a reader finds the former token or the next
// one, whole. It is removed when the session has ended and no token is served any more: a
// program that finds no file can say so, but one that finds an expired token is refused. It
// stays while the session can still be refreshed. It also stays when the Daemon stops, so
// that a restart leaves no gap; a refresh that is saved as the last act is not in it. With
// the format envoy-sds there is always a file, with an empty secret if there is no session:
// Envoy does not start without the file, and ignores its removal.
type Sink struct {
	Path   string
	Format string      // a name that tokenformat.Lookup knows
	Mode   fs.FileMode // 0 means 0600
}

// ParseSink returns the sink of a text FORMAT:PATH, or PATH for the format raw.
func ParseSink(text string, mode fs.FileMode) (Sink, error) {
	s := Sink{Path: text, Format: "raw", Mode: mode}
	format, path, ok := strings.Cut(text, ":")
	if ok && len(format) > 1 && !strings.ContainsAny(format, `./\`) { // neither a drive nor a part of a path
		s.Format, s.Path = format, path
	}
	if s.Path == "" {
		return Sink{}, fmt.Errorf("sink %q: there is no path; write raw:PATH, header:PATH, json:PATH or envoy-sds:PATH", text)
	}
	return s, errorOf(s.checkFormat(), s.checkMode())
}

func (s Sink) checkFormat() error {
	if _, known := tokenformat.Lookup(s.Format); !known {
		return fmt.Errorf("sink %s: there is no format %q; use raw, header, json, curl or envoy-sds", s.Path, s.Format)
	}
	return nil
}

// isEnvoys reports whether the file is made for Envoy.
func (s Sink) isEnvoys() bool { return s.Format == "envoy-sds" }

func (s Sink) mode() fs.FileMode {
	if s.Mode == 0 {
		return 0o600
	}
	return s.Mode
}

// checkMode refuses a mode with which more than the group can read the token, or more than
// the owner can change it.
func (s Sink) checkMode() error {
	if mode := s.mode(); mode&^0o640 != 0 || mode&0o400 == 0 {
		return fmt.Errorf("sink %s: mode %04o is not possible; 0600, or 0640 for readers of the group, is", s.Path, mode)
	}
	return nil
}

// check reports what will keep the sink from being written, so that a mistake is told
// before anything is done. It also removes what a process that was killed has left.
func (s Sink) check() error {
	if err := errorOf(s.checkFormat(), s.checkMode()); err != nil {
		return err
	}
	if info, err := os.Stat(s.Path); err == nil && !info.Mode().IsRegular() {
		return fmt.Errorf("sink %s: it exists and is not a file", s.Path)
	}
	s.removeLeftovers()
	f, err := os.CreateTemp(filepath.Dir(s.Path), replacefile.Pattern(s.Path))
	if err != nil {
		return fmt.Errorf("sink %s: no file can be written there: %w", s.Path, err)
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}

// checkApart refuses a sink that would replace another one, or the session itself. An empty
// path is no file.
func (s Sink) checkApart(taken []string) error {
	for _, path := range taken {
		if path != "" && isSameFile(path, s.Path) {
			return fmt.Errorf("sink %s: that file is in use, for the session or as another sink; choose another one", s.Path)
		}
	}
	return nil
}

// isSameFile reports whether two paths name one file, which need not exist.
func isSameFile(a, b string) bool {
	if x, y := infoOf(a), infoOf(b); x != nil && y != nil {
		return os.SameFile(x, y)
	}
	a, errA := filepath.Abs(a)
	b, errB := filepath.Abs(b)
	return errA == nil && errB == nil && a == b
}

// removeLeftovers removes temporary files that nobody writes any more.
func (s Sink) removeLeftovers() {
	entries, err := os.ReadDir(filepath.Dir(s.Path))
	if err != nil {
		return
	}
	prefix, suffix, _ := strings.Cut(replacefile.Pattern(s.Path), "*")
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), prefix) || !strings.HasSuffix(e.Name(), suffix) {
			continue
		}
		if info, err := e.Info(); err == nil && time.Since(info.ModTime()) > time.Minute {
			_ = os.Remove(filepath.Join(filepath.Dir(s.Path), e.Name()))
		}
	}
}

// replace replaces the file.
func (s Sink) replace(content []byte) error {
	return replacefile.Write(s.Path, func(f *os.File) error {
		_, err := f.Write(content)
		return errorOf(err, f.Chmod(s.mode()), f.Sync())
	})
}

func (s Sink) remove() error {
	if err := os.Remove(s.Path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
