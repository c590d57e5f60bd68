package demo

import (
	"time"

	"github.com/agsauth/agsauth/agstest"
)

// Plan says how fast the demo runs. Token lifetimes must be whole seconds.
type Plan struct {
	Access, Refresh, Session time.Duration // lifetimes of the tokens and of the session
	RefreshBefore            time.Duration // how long before its expiry a token is refreshed
	WarnBefore               time.Duration // how long before its end a session's end is announced

	Workers int           // that call the API
	Pause   time.Duration // of a worker between two requests

	Latency time.Duration // of the gateway
	SlowFor time.Duration // added to the latency of the slow refresh
	// Refusals is how many refreshes a failing gateway refuses.
	Refusals int

	// SlowAt, FailAt and RejectAt are when these steps of the script start; each also
	// waits for the end of the step before.
	SlowAt, FailAt, RejectAt time.Duration
	Tail                     time.Duration // after the end of the first session
	Limit                    time.Duration // for the whole script

	OutageFor, SuspendFor time.Duration // of a fault by key

	// InMemory and Prepare are for tests: a server without a socket, and changes to
	// the server before the sign-on.
	InMemory bool
	Prepare  func(*agstest.Server)
}

// Normal returns a plan that takes about 45 seconds, slow enough to read along.
//
// A token lives for 6 seconds and is refreshed in the middle, so at least 2.4
// seconds remain for a refresh. The script's faults take at most 1.8 of these and an
// outage by key at most 2.2, including retries; both together may take too long.
func Normal() Plan {
	return Plan{
		Access: 6 * time.Second, Refresh: 30 * time.Second, Session: 38 * time.Second,
		RefreshBefore: 3 * time.Second, WarnBefore: 8 * time.Second,
		Workers: 8, Pause: 25 * time.Millisecond,
		Latency: 250 * time.Millisecond, SlowFor: 1500 * time.Millisecond, Refusals: 3,
		SlowAt: 4 * time.Second, FailAt: 11 * time.Second, RejectAt: 20 * time.Second,
		Tail: 6 * time.Second, Limit: 50 * time.Second,
		OutageFor: 1500 * time.Millisecond, SuspendFor: 7 * time.Second,
	}
}

// Fast returns a plan that takes less than 9 seconds. At least 1.2 of a token's 3
// seconds remain for a refresh, and the script's faults take at most 0.75 of these.
func Fast() Plan {
	return Plan{
		Access: 3 * time.Second, Refresh: 10 * time.Second, Session: 8 * time.Second,
		RefreshBefore: 1500 * time.Millisecond, WarnBefore: 2800 * time.Millisecond,
		Workers: 8, Pause: 20 * time.Millisecond,
		Latency: 100 * time.Millisecond, SlowFor: 600 * time.Millisecond, Refusals: 2,
		Tail: 500 * time.Millisecond, Limit: 9500 * time.Millisecond,
		OutageFor: 600 * time.Millisecond, SuspendFor: 4 * time.Second,
	}
}
