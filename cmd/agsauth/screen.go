package main

import (
	"io"
	"os"
	"runtime"
	"strings"

	"github.com/charmbracelet/x/term"

	"github.com/agsauth/agsauth/cmd/agsauth/internal/picture"
)

// screenOf returns what the demo is drawn on: out, if it is a terminal that can be
// drawn on, with a window that is large enough, and in is one too; or else nil.
func screenOf(in io.Reader, out io.Writer, environ []string) *picture.Screen {
	keys, isFile := in.(*os.File)
	window, isFileToo := out.(*os.File)
	if !isFile || !isFileToo || !term.IsTerminal(keys.Fd()) || !term.IsTerminal(window.Fd()) || !capable(environ) {
		return nil
	}
	width, height, err := term.GetSize(window.Fd())
	if err != nil || width < picture.MinWidth || height < picture.MinHeight {
		return nil
	}
	return &picture.Screen{
		In: keys, Out: window, Environ: environ,
		// Of any value: <https://no-color.org>.
		NoColor: variable(environ, "NO_COLOR") != "",
	}
}

// capable reports whether a terminal knows more than lines, by its name. On Windows
// terminals have none.
func capable(environ []string) bool {
	name := variable(environ, "TERM")
	return name != "dumb" && (name != "" || runtime.GOOS == "windows")
}

// variable returns the value of an environment variable, the last if there are
// several.
func variable(environ []string, name string) (value string) {
	for _, pair := range environ {
		if v, found := strings.CutPrefix(pair, name+"="); found {
			value = v
		}
	}
	return value
}
