//go:build !unix

package doctor

import "io/fs"

// factsOf returns what is known of a file. Its mode does not describe access.
func factsOf(path string, info fs.FileInfo) facts { return facts{path: path, mode: info.Mode()} }
