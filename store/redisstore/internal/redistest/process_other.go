//go:build !unix

package redistest

// Pause makes the server stand still, with its connections open, until Resume.
// Here no process can be made to.
func (s *Server) Pause() { s.tb.Helper(); s.tb.Skip("a process cannot be paused here") }

// Resume ends a Pause.
func (*Server) Resume() {}
