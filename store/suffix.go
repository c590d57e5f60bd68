package store

import (
	"strconv"
	"strings"
)

// maxSuffix is the length limit of the suffix of SetAside.
const maxSuffix = 32

// unusedSuffix returns suffix, sanitized, or the first of suffix.1, suffix.2, … that
// is not used.
func unusedSuffix(suffix string, used func(suffix string) (bool, error)) (string, error) {
	base := sanitize(suffix)
	name := base
	for n := 1; ; n++ {
		found, err := used(name)
		if err != nil || !found {
			return name, err
		}
		name = base + "." + strconv.Itoa(n)
	}
}

// sanitize makes a suffix, which comes from the caller, a safe part of a file name:
// letters, digits, hyphens and underscores.
func sanitize(suffix string) string {
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
