//go:build unix

package child

import (
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/sys/unix"
)

// Signals are the signals that Run can pass on. A SIGHUP that is ignored, as under nohup,
// remains so for the program, too.
func Signals() []os.Signal {
	signals := []os.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGQUIT, syscall.SIGUSR1, syscall.SIGUSR2}
	if !signal.Ignored(syscall.SIGHUP) {
		signals = append(signals, syscall.SIGHUP)
	}
	return signals
}

// Replace replaces this process by a program. It returns only if that fails.
func Replace(path string, args, env []string) error {
	err := syscall.Exec(path, args, env)
	return notRun(StatusNotExecutable, args[0], "it cannot be executed: "+err.Error())
}

// statusOf returns the exit status, which is 128 more than the number of the signal that
// has killed a program.
func statusOf(state *os.ProcessState) int {
	if status, ok := state.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return 128 + int(status.Signal())
	}
	return state.ExitCode()
}

// arrivesAnyway reports whether the terminal has sent a signal to the program, too: it
// sends the signals of its keys to all programs in the foreground.
func arrivesAnyway(s os.Signal) bool {
	if s != syscall.SIGINT && s != syscall.SIGQUIT {
		return false
	}
	terminal, err := os.Open("/dev/tty")
	if err != nil {
		return false
	}
	defer func() { _ = terminal.Close() }()
	foreground, err := unix.IoctlGetInt(int(terminal.Fd()), unix.TIOCGPGRP)
	return err == nil && foreground == unix.Getpgrp()
}
