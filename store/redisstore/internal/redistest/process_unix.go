//go:build unix

package redistest

import (
	"context"
	"errors"
	"io"
	"os/exec"
	"strconv"
	"syscall"
)

// watch starts a process that kills the server and removes its folder if the test process
// ends without a call of unwatch. A test that is killed or times out runs no cleanups.
func watch(ctx context.Context, pid int, folder string) (unwatch func() error, err error) {
	const script = `trap '' INT TERM HUP QUIT; read -r word || { kill -9 "$1"; rm -rf "$2"; }`
	command := exec.CommandContext(ctx, "/bin/sh", "-c", script, "sh", strconv.Itoa(pid), folder)
	input, err := command.StdinPipe()
	if err != nil {
		return nil, err
	}
	if err := command.Start(); err != nil {
		return nil, err
	}
	return func() error {
		_, err := io.WriteString(input, "end\n")
		return errors.Join(err, input.Close(), command.Wait())
	}, nil
}

// Pause stops the server process, with its connections open, until Resume.
func (s *Server) Pause() { s.tb.Helper(); s.signal(syscall.SIGSTOP) }

// Resume ends a Pause.
func (s *Server) Resume() { s.tb.Helper(); s.signal(syscall.SIGCONT) }

func (s *Server) signal(signal syscall.Signal) {
	s.tb.Helper()
	if err := s.process().command.Process.Signal(signal); err != nil {
		s.tb.Fatal(err)
	}
}
