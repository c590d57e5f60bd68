package demo

import (
	"time"

	"github.com/agsauth/agsauth/agstest"
)

// Plan is what is played, and how fast. The lifetimes are whole seconds, as the
// wire has them.
type Plan struct {
	// Access, Refresh and Session are the lifetimes of an access token, of a
	// refresh token, and of the session as a whole.
	Access, Refresh, Session time.Duration
	// RefreshBefore and WarnBefore are how long before the token's end it is
	// refreshed, and before the session's end that is announced.
	RefreshBefore, WarnBefore time.Duration

	// Workers is how many call the API, each again Pause after an answer.
	Workers int
	Pause   time.Duration

	// Latency is what the gateway takes for an answer, and SlowFor how much more
	// when it is slow.
	Latency, SlowFor time.Duration
	// Refusals is how many refreshes are answered with 503 when it fails.
	Refusals int

	// SlowAt, FailAt and RejectAt are when the acts begin, at the earliest: each
	// waits for the end of the one before it.
	SlowAt, FailAt, RejectAt time.Duration
	// Tail is how long it goes on after the end of the first session.
	Tail time.Duration
	// Limit is when it ends at the latest, whatever has not happened by then.
	Limit time.Duration

	// OutFor is how long the gateway is out when it is broken by hand, and SleepFor
	// how long the machine sleeps when it is sent to sleep.
	OutFor, SleepFor time.Duration

	// InMemory is for tests in a bubble of testing/synctest: the server is then
	// reached without a socket.
	InMemory bool
	// Prepare, if given, may do to the server what it likes before anybody calls
	// it: for a test of what happens when requests do fail.
	Prepare func(*agstest.Server)
}

// Normal is the demo at a pace at which it can be read: about 45 seconds.
//
// A token is refreshed in the middle of its 6 seconds, so that for 2.4 seconds
// at the least a refresh may fail, or take its time. What is done to a refresh
// takes up to 1.8 of these, with every wait at its longest, and an outage by hand
// with the waits behind it no more than 2.2; both together may take too long.
func Normal() Plan {
	return Plan{
		Access: 6 * time.Second, Refresh: 30 * time.Second, Session: 38 * time.Second,
		RefreshBefore: 3 * time.Second, WarnBefore: 8 * time.Second,
		Workers: 8, Pause: 25 * time.Millisecond,
		Latency: 250 * time.Millisecond, SlowFor: 1500 * time.Millisecond, Refusals: 3,
		SlowAt: 4 * time.Second, FailAt: 11 * time.Second, RejectAt: 20 * time.Second,
		Tail: 6 * time.Second, Limit: 50 * time.Second,
		OutFor: 1500 * time.Millisecond, SleepFor: 7 * time.Second,
	}
}

// Fast is the same in less than 9 seconds. Of a token's 3 seconds at least 1.2
// are for a refresh, and what is done to one takes up to 0.75 of these.
func Fast() Plan {
	return Plan{
		Access: 3 * time.Second, Refresh: 10 * time.Second, Session: 8 * time.Second,
		RefreshBefore: 1500 * time.Millisecond, WarnBefore: 2800 * time.Millisecond,
		Workers: 8, Pause: 20 * time.Millisecond,
		Latency: 100 * time.Millisecond, SlowFor: 600 * time.Millisecond, Refusals: 2,
		Tail: 500 * time.Millisecond, Limit: 9500 * time.Millisecond,
		OutFor: 600 * time.Millisecond, SleepFor: 4 * time.Second,
	}
}
