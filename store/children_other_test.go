//go:build !unix

package store_test

// unixChildren returns none.
func unixChildren() map[string]childFunc { return nil }
