//go:build !linux && !darwin

package multiproc

import "errors"

// limitFiles cannot be done here.
func limitFiles(int) error { return errors.ErrUnsupported }
