//go:build !unix

package doctor

import (
	"errors"
	"syscall"
)

// The numbers of Windows: a full disk, and a disk that is write-protected.
const (
	errorDiskFull       = syscall.Errno(112)
	errorHandleDiskFull = syscall.Errno(39)
	errorWriteProtect   = syscall.Errno(19)
)

func isDiskFull(err error) bool {
	return errors.Is(err, errorDiskFull) || errors.Is(err, errorHandleDiskFull)
}

func isReadOnly(err error) bool { return errors.Is(err, errorWriteProtect) }
