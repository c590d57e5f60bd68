//go:build !linux

package daemon

// monotonicMicroseconds returns 0: there is no systemd.
func monotonicMicroseconds() int64 { return 0 }
