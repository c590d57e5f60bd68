//go:build linux || darwin

package multiproc

import "syscall"

// limitFiles limits the size of files that this process may write, in bytes. A
// negative number removes the limit.
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
