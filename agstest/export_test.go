package agstest

// These are unexported functions.
var (
	SignHS256  = signHS256
	ShownQuery = shownQuery
)

// SigningSecret returns the secret of the current signing key of s.
func SigningSecret(s *Server) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state.key.secret
}

// The limits of a server.
const (
	KeptPairs        = keptPairs
	KeptSessions     = keptSessions
	RecordedRequests = recordedRequests
	RecordedBody     = recordedBody
	MaxBody          = maxBody
	Oversize         = oversize
)
