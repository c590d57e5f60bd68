//go:build !unix

package proxy

import "io/fs"

// isOwn cannot tell, so a socket is refused before.
func isOwn(fs.FileInfo) bool { return false }
