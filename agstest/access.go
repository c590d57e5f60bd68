package agstest

import "time"

// The reasons that the API gives when it rejects an access token.
const (
	resultExpired     = "Bearer Token Expired"
	resultUndecodable = "Bearer Token Decoding Failure"
)

// rejections are the valid access tokens that a test has the API reject.
type rejections struct {
	tokens map[string]bool
	all    bool
	next   int // how many more requests to reject
}

// checkAccess returns the issued token, nil if it is unknown, and the reason to
// reject it, empty if there is none. It changes nothing.
func (st *state) checkAccess(now time.Time, token string) (*issuedToken, string) {
	i := st.find(accessToken, token)
	switch {
	case i == nil:
		return nil, resultUndecodable
	case i.expired(now), st.rejections.tokens[token]:
		return i, resultExpired
	case st.cfg.NewestAccessOnly && i.generation != i.session.generation:
		return i, resultExpired
	case st.cfg.AccessEndsWithSession && i.session.inactive():
		return i, resultExpired
	default:
		return i, ""
	}
}

// authorize is checkAccess for an API request. It also applies RejectAll and
// RejectNext.
func (st *state) authorize(now time.Time, token string) (*issuedToken, string) {
	i, result := st.checkAccess(now, token)
	switch {
	case result != "":
		return i, result
	case st.rejections.all:
		return i, resultExpired
	case st.rejections.next > 0:
		st.rejections.next--
		return i, resultExpired
	default:
		return i, ""
	}
}
