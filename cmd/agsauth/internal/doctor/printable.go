package doctor

import (
	"path/filepath"
	"strings"
	"unicode"
)

// printable returns a result that can be pasted: without the home folder, and without
// control characters, which the answer of a gateway may contain.
func printable(r Result, home string) Result {
	r.Text, r.Hint = withoutControls(withoutHome(r.Text, home)), withoutControls(withoutHome(r.Hint, home))
	return r
}

// withoutHome replaces the home folder by ~ where it is the beginning of a path.
func withoutHome(text, home string) string {
	home = strings.TrimRight(home, `/\`)
	if home == "" || !filepath.IsAbs(home) {
		return text
	}
	var result strings.Builder
	for {
		before, after, found := strings.Cut(text, home)
		result.WriteString(before)
		if !found {
			return result.String()
		}
		if continuesName(after) {
			result.WriteString(home)
		} else {
			result.WriteString("~")
		}
		text = after
	}
}

// continuesName reports whether text goes on with a name that came before it.
func continuesName(text string) bool {
	for _, first := range text {
		return unicode.IsLetter(first) || unicode.IsDigit(first) || first == '-' || first == '_'
	}
	return false
}

func withoutControls(text string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return unicode.ReplacementChar
		}
		return r
	}, text)
}
