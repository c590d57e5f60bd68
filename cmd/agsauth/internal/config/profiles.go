package config

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
)

// Profiles returns the names of the profiles in the configuration file and of those that
// have state, sorted. What cannot be read has none.
func Profiles(s Sources) []string {
	names := map[string]bool{}
	if file, err := new(Resolved).readFile(s); err == nil {
		for name := range file.Profiles {
			names[name] = true
		}
	}
	folders, _ := os.ReadDir(filepath.Join(s.StateHome, "agsauth"))
	for _, folder := range folders {
		if folder.IsDir() && isProfileName(folder.Name()) {
			names[folder.Name()] = true
		}
	}
	return slices.Sorted(maps.Keys(names))
}
