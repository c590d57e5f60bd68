//go:build !linux

package doctor

// holderOf returns "": the system does not tell.
func holderOf(string) string { return "" }
