package doctor

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// holderOf describes the process that holds a lock file, or returns "".
func holderOf(path string) string {
	info, err := os.Stat(path)
	if err != nil {
		return ""
	}
	stat, isStat := info.Sys().(*syscall.Stat_t)
	locks, err := os.ReadFile("/proc/locks")
	if err != nil || !isStat {
		return ""
	}
	pid := findHolder(string(locks), stat.Ino)
	if pid == "" {
		return ""
	}
	name, err := os.ReadFile(filepath.Join("/proc", pid, "comm"))
	if err != nil {
		return "process " + pid
	}
	return fmt.Sprintf("process %s (%s)", pid, strings.TrimSpace(string(name)))
}

// findHolder returns the process that holds a lock on an inode, from the table of locks
// of the kernel, whose lines are like
//
//	1: FLOCK  ADVISORY  WRITE 1234 08:01:5678 0 EOF
//
// Lines with "->" are of processes that wait.
func findHolder(locks string, inode uint64) string {
	for line := range strings.Lines(locks) {
		fields := strings.Fields(line)
		if len(fields) < 6 || fields[1] != "FLOCK" || !strings.HasSuffix(fields[5], ":"+strconv.FormatUint(inode, 10)) {
			continue
		}
		// A process of another container has no number here.
		if pid, err := strconv.Atoi(fields[4]); err == nil && pid > 0 {
			return fields[4]
		}
	}
	return ""
}
