package simulation

import (
	"time"

	"github.com/agsauth/agsauth/tokensource/internal/admission"
)

// Gateway is a gateway of limited capacity.
type Gateway struct {
	// PerSecond is how many requests it can answer in a second.
	PerSecond float64
	// Sheds says that it refuses what it cannot answer at once. Otherwise requests wait, in
	// the order of their arrival, for as long as it takes, whether or not the client still
	// waits for the answer.
	Sheds bool
	// SingleUse says that a refresh token is good for one refresh. One whose answer was lost
	// is then dead.
	SingleUse bool
	// From and To are when it is away: it refuses all requests, or does not answer them.
	From, To time.Duration
	Hangs    bool
	// Fails is the part of the requests that it refuses at random.
	Fails float64
	// RetryAfter is what it asks for when it refuses a request.
	RetryAfter time.Duration

	busyUntil time.Duration
}

const (
	// latency is the time of an answer without load.
	latency = 20 * time.Millisecond
	// backlog is how much work a gateway that sheds has waiting at most.
	backlog = time.Second
)

// reply is what becomes of a request.
type reply struct {
	at      time.Duration // admission.Never if there is none
	granted bool
}

// request returns what becomes of a request that arrives at now. The draw is from [0,1).
func (g *Gateway) request(now time.Duration, draw float64) reply {
	work := time.Duration(float64(time.Second) / g.PerSecond)
	begin := max(now, g.busyUntil)
	switch {
	case now >= g.From && now < g.To && g.Hangs:
		return reply{at: admission.Never}
	case now >= g.From && now < g.To:
		return reply{at: now + time.Millisecond}
	case draw < g.Fails, g.Sheds && begin-now > backlog:
		return reply{at: now + latency}
	}
	g.busyUntil = begin + work
	return reply{at: g.busyUntil + latency, granted: true}
}
