package agstest

import "time"

// What the API says of a token that it does not take.
const (
	resultExpired     = "Bearer Token Expired"
	resultUndecodable = "Bearer Token Decoding Failure"
)

// gate is what the API rejects besides what is wrong by itself.
type gate struct {
	rejected map[string]bool // by token
	all      bool
	next     int // how many good requests from now on
}

// checkAccess returns what the API has to say against an access token, empty for
// nothing, and the token if it is known.
func (b *books) checkAccess(now time.Time, token string) (*issued, string) {
	i := b.find(accessToken, token)
	switch {
	case i == nil:
		return nil, resultUndecodable
	case i.expired(now), b.gate.rejected[token]:
		return i, resultExpired
	case b.cfg.NewestAccessOnly && i.generation != i.session.generation:
		return i, resultExpired
	case b.cfg.AccessEndsWithSession && i.session.over():
		return i, resultExpired
	default:
		return i, ""
	}
}

// pass is checkAccess for a request that is really made: it is told off for what
// a test has asked for, too.
func (b *books) pass(now time.Time, token string) (*issued, string) {
	i, result := b.checkAccess(now, token)
	switch {
	case result != "":
		return i, result
	case b.gate.all:
		return i, resultExpired
	case b.gate.next > 0:
		b.gate.next--
		return i, resultExpired
	default:
		return i, ""
	}
}

// over reports whether the session has ended, or its account or device is barred.
func (s *session) over() bool {
	return s.ended || s.account.barred != nil || s.device.barred != nil
}
