package daemon

import "golang.org/x/sys/unix"

// monotonicMicroseconds returns the system's monotonic clock, by which systemd tells the
// messages before a reload from those after it.
func monotonicMicroseconds() int64 {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err != nil {
		return 0
	}
	return now.Nano() / 1000
}
