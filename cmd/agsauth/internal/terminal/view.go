package terminal

import (
	"io"
	"os"
	"strconv"
	"strings"
	"unicode"

	"golang.org/x/term"
)

// View is what an output stream can show.
type View struct {
	IsTerminal    bool
	Color         bool
	Width, Height int // in cells; 80 × 24 if unknown
}

const (
	defaultWidth, defaultHeight = 80, 24
	maxWidth                    = 1000
)

// ViewOf describes w. getenv is os.Getenv.
func ViewOf(w io.Writer, getenv func(string) string) View {
	v := View{Width: defaultWidth, Height: defaultHeight}
	if n, err := strconv.Atoi(getenv("COLUMNS")); err == nil && n > 0 && n <= maxWidth {
		v.Width = n
	}
	file, isFile := w.(*os.File)
	if !isFile || !isTerminal(file) {
		return v
	}
	v.IsTerminal, v.Color = true, allowsColor(getenv)
	size := func(fd int) error {
		width, height, err := term.GetSize(fd)
		if err == nil && width > 0 && height > 0 {
			v.Width, v.Height = width, height
		}
		return err
	}
	_ = control(file, size) // without a size the defaults hold
	return v
}

// allowsColor reports whether the user's environment allows colour on a terminal.
func allowsColor(getenv func(string) string) bool {
	return getenv("NO_COLOR") == "" && getenv("TERM") != "dumb"
}

// Printable returns text that changes nothing on a terminal but the cells it is printed
// on. Texts of a gateway may contain anything: control characters, among them those
// that begin an escape sequence, and those that reverse the direction of the text become
// a replacement character, and line breaks a space.
func Printable(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\t', r == '\n', r == '\r', r == '\u2028', r == '\u2029':
			return ' '
		case unicode.IsControl(r), unicode.Is(unicode.Cf, r) && r != '\u200d', r == unicode.ReplacementChar:
			return unicode.ReplacementChar
		}
		return r
	}, text)
}
