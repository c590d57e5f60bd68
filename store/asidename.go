package store

import (
	"strconv"
	"strings"
)

// maxSuffix bounds the names of what is set aside, which end in a suffix that
// comes from the caller.
const maxSuffix = 32

// spareName returns a name made of suffix that is not taken, with a number
// behind it if need be. It holds letters, digits, hyphens and underscores, and a
// dot before the number: nothing that leads out of a folder.
func spareName(suffix string, taken func(name string) (bool, error)) (string, error) {
	base := tidy(suffix)
	name := base
	for n := 1; ; n++ {
		used, err := taken(name)
		if err != nil || !used {
			return name, err
		}
		name = base + "." + strconv.Itoa(n)
	}
}

func tidy(suffix string) string {
	s := strings.Map(func(r rune) rune {
		switch {
		case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', '0' <= r && r <= '9', r == '-', r == '_':
			return r
		default:
			return '_'
		}
	}, suffix)
	if s == "" {
		return "aside"
	}
	return s[:min(len(s), maxSuffix)]
}
