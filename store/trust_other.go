//go:build !unix

package store

import "io/fs"

// attributesOf returns none: here files have no owner that this package knows of.
func attributesOf(fs.FileInfo) attributes { return attributes{} }

// foldersTo returns nothing, since the modes of folders do not tell who can write
// them.
func foldersTo(string) ([]folder, error) { return nil, nil }

// checkLinks follows all links.
func checkLinks(string, int) error { return nil }
