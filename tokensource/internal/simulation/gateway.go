package simulation

import "time"

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
	// From and To are when it is away: connections are refused.
	From, To time.Duration
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
	at      time.Duration
	granted bool
}

// request returns what becomes of a request that arrives at now.
func (g *Gateway) request(now time.Duration) reply {
	work := time.Duration(float64(time.Second) / g.PerSecond)
	begin := max(now, g.busyUntil)
	switch {
	case now >= g.From && now < g.To:
		return reply{at: now + time.Millisecond}
	case g.Sheds && begin-now > backlog:
		return reply{at: now + latency}
	}
	g.busyUntil = begin + work
	return reply{at: g.busyUntil + latency, granted: true}
}
