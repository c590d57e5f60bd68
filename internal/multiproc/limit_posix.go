//go:build linux || darwin

package multiproc

import "syscall"

// limitFiles bounds the size of files that this process may write; a negative
// number of bytes is no bound.
func limitFiles(bytes int) error {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		return err
	}
	limit.Cur = limit.Max
	if bytes >= 0 {
		limit.Cur = uint64(bytes)
	}
	return syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit)
}
