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

// watch has a process end the server, and remove its folder, when this one is gone
// before it has called off. A test that is killed, or runs out of time, runs no
// cleanup.
func watch(ctx context.Context, pid int, folder string) (callOff func() error, err error) {
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
		_, err := io.WriteString(input, "over\n")
		return errors.Join(err, input.Close(), command.Wait())
	}, nil
}

// Pause makes the server stand still, with its connections open, until Resume.
func (s *Server) Pause() { s.tb.Helper(); s.signal(syscall.SIGSTOP) }

// Resume ends a Pause.
func (s *Server) Resume() { s.tb.Helper(); s.signal(syscall.SIGCONT) }

func (s *Server) signal(signal syscall.Signal) {
	s.tb.Helper()
	if err := s.process().command.Process.Signal(signal); err != nil {
		s.tb.Fatal(err)
	}
}
