package main

import (
	"time"

	"github.com/agsauth/agsauth/agstest"
	"github.com/agsauth/agsauth/tokensource"
)

// outcome is the result of a call.
type outcome string

const (
	served        outcome = "served"
	refused       outcome = "403"
	unavailable   outcome = "unavailable"
	loginRequired outcome = "login required"
	closed        outcome = "closed"
	other         outcome = "other"
)

// call is a call that failed.
type call struct {
	replica    int
	begin, end time.Time
	outcome    outcome
	reason     tokensource.Reason // why a login is required; 0 if none is
	// tokenExpiry is when the last token that this replica used expires at the gateway.
	tokenExpiry time.Time
	// inTransit says that a token expired between its request and the answer, because
	// the machine was busy.
	inTransit bool
	// stalled says that only a stall of the machine explains the failure.
	stalled bool
	text    string
}

// slowCall is how long a call on loopback takes only on an overloaded machine. Tokens are
// served until a tenth of their life is left.
const slowCall = accessLifetime / 20

// dies returns when a token expires: with its session at the latest.
func dies(token *agstest.TokenInfo) time.Time {
	if token.FixedExpiresAt.Before(token.ExpiresAt) {
		return token.FixedExpiresAt
	}
	return token.ExpiresAt
}

// expiredInTransit reports whether a token was good when it was sent, and expired before
// the answer only because the call was slow. Before a fixed horizon a token is served to
// the end.
func expiredInTransit(token *agstest.TokenInfo, begin, end time.Time) bool {
	dies, least := dies(token), slowCall
	if dies.Before(token.ExpiresAt) {
		least = 0
	}
	return begin.Before(dies) && !end.Before(dies) && end.Sub(begin) > least
}

// window is the time of one fault. Until the fault is over, to is zero.
type window struct {
	fault    fault
	from, to time.Time
	// hidden says that a rejection may have had no effect because it came soon after
	// another.
	hidden bool
}

// until returns the end of the window and of its consequences.
func (w *window) until(tail time.Duration) time.Time {
	if w.to.IsZero() {
		return time.Now().Add(time.Hour)
	}
	return w.to.Add(tail)
}

// touches reports whether a call was under way in the window, or up to tail after it.
func (w *window) touches(c *call, tail time.Duration) bool {
	return c.end.After(w.from) && c.begin.Before(w.until(tail))
}

// explains reports whether the window explains the failure.
func (w *window) explains(c *call, canLogin bool) bool {
	dead := !c.end.Before(c.tokenExpiry.Add(-servedUntil))
	switch w.fault.kind {
	case outage:
		return c.outcome == unavailable && dead && w.touches(c, longestBackoff)
	case tooMany:
		return c.outcome == unavailable && dead && w.touches(c, w.fault.span+slack)
	case rejectAll:
		return c.outcome == refused && w.touches(c, 0)
	case rejected:
		return c.outcome == refused && w.hidden && w.touches(c, accessLifetime)
	case revoked:
		gone := c.outcome == refused || c.outcome == loginRequired && c.reason == tokensource.RefreshRejected
		tail := storePoll + 2*slack
		if w.hidden { // a replica that can sign on notices when its token expires
			tail += accessLifetime
		}
		return gone && !canLogin && w.touches(c, tail) ||
			c.outcome == refused && w.hidden && w.touches(c, accessLifetime)
	case signedOut:
		// A replica that refreshes during the sign-out is rejected, and finds the reason
		// when it reads the file again.
		gone := c.outcome == refused || c.outcome == loginRequired && (c.reason == tokensource.SignedOut || c.reason == tokensource.RefreshRejected)
		return gone && w.touches(c, storePoll+slack)
	case restart:
		return c.outcome == closed && c.replica == w.fault.replica && w.touches(c, 0)
	case slow, lostWork, lostReply, emptied, damaged, jumped:
		// These need not be noticed.
	}
	return false
}

// session is a session at the gateway.
type session struct {
	seenAt time.Time // when one of its tokens was first used
	end    time.Time // its fixed horizon
}

// warning is a replica's EventEnding.
type warning struct {
	replica int
	at, end time.Time
}

// stallStats counts the stalls of the machine.
type stallStats struct {
	Times   int           `json:"times"`
	Longest time.Duration `json:"longest_ns"`
}
