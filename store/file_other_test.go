//go:build !unix

package store_test

func systemParts() map[string]part { return nil }
