//go:build unix

package doctor

import (
	"io/fs"
	"os"
	"syscall"
)

// factsOf returns what is known of a file.
func factsOf(path string, info fs.FileInfo) facts {
	f := facts{path: path, mode: info.Mode(), user: os.Geteuid()}
	f.readable, f.writable = f.mode.Perm()&0o044 != 0, f.mode.Perm()&0o022 != 0
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		f.hasOwner, f.owner = true, int(stat.Uid)
	}
	return f
}
