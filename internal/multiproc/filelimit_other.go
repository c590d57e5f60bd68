//go:build !linux && !darwin

package multiproc

import "errors"

// limitFiles is not supported on this platform.
func limitFiles(int) error { return errors.ErrUnsupported }
