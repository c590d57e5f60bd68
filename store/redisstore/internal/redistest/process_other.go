//go:build !unix

package redistest

import "context"

// watch does nothing: the server of a killed test continues.
func watch(context.Context, int, string) (unwatch func() error, err error) {
	return func() error { return nil }, nil
}

// Pause skips the test, since processes cannot be stopped.
func (s *Server) Pause() { s.tb.Helper(); s.tb.Skip("processes cannot be stopped on this system") }

// Resume ends a Pause.
func (*Server) Resume() {}
