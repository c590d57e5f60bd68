//go:build unix

package redistest

import "syscall"

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
