package config

import (
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/agsauth/agsauth/cmd/agsauth/internal/exit"
)

// checkIsKnown returns an error if the profile was named by a flag or a variable and is
// probably misspelled: the file has others, and nobody has signed on with this one. A
// session in Redis has no folder here.
func (r *Resolved) checkIsKnown(s Sources, file *file) error {
	_, byFlag := s.Flags[FlagProfile]
	isNamed := byFlag || s.env("AGSAUTH_PROFILE") != ""
	_, inFile := file.Profiles[r.Profile.Text]
	if s.NewProfile || !isNamed || inFile || len(file.Profiles) == 0 || isRedis(s.Flags[keyStore]) || isRedis(s.env("AGSAUTH_STORE")) {
		return nil
	}
	if _, err := os.Stat(r.Folder); err == nil {
		return nil
	}
	return exit.Usagef("%s: there is no profile %s; use one of %s, or add it to %s",
		r.Profile.Origin, r.Profile.Text, strings.Join(knownProfiles(s, file), ", "), r.File.Text)
}

// knownProfiles returns the names of the profiles of the file, and of those with which
// somebody has signed on.
func knownProfiles(s Sources, file *file) []string {
	var names []string
	for name := range file.Profiles {
		names = append(names, name)
	}
	folders, err := os.ReadDir(filepath.Join(s.StateHome, "agsauth"))
	if err != nil {
		folders = nil // nobody has signed on yet
	}
	for _, folder := range folders {
		if folder.IsDir() && isProfileName(folder.Name()) {
			names = append(names, folder.Name())
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}
