//go:build !unix

package redistest

import "context"

// watch does nothing here: what a killed test leaves behind stays.
func watch(context.Context, int, string) (callOff func() error, err error) {
	return func() error { return nil }, nil
}

// Pause makes the server stand still, with its connections open, until Resume.
// Here no process can be made to.
func (s *Server) Pause() { s.tb.Helper(); s.tb.Skip("a process cannot be paused here") }

// Resume ends a Pause.
func (*Server) Resume() {}
