//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd)

package boltstore

import "os"

// unlock does nothing: here the lock ends when file is closed.
func unlock(*os.File) error { return nil }
