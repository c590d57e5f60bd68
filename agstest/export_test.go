package agstest

// SignHS256 is signHS256.
var SignHS256 = signHS256

// SigningSecret returns what s signs its tokens with now.
func SigningSecret(s *Server) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.books.key.secret
}

// What the bounds are.
const (
	KeptPairs        = keptPairs
	KeptSessions     = keptSessions
	RecordedRequests = recordedRequests
	RecordedBody     = recordedBody
	MaxBody          = maxBody
	Oversize         = oversize
)
