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
	Workers                  int           // that call the API
	Pause                    time.Duration // of a worker between two requests
	Latency                  time.Duration // of the gateway
	SlowFor                  time.Duration // added to the latency of the slow refresh
	Refusals                 int           // of the failing gateway
	SlowAt, FailAt, RejectAt time.Duration // earliest start of these steps of the script
	Tail                     time.Duration // after the end of the first session
	Limit                    time.Duration // for the whole script
	OutageFor, SuspendFor    time.Duration // of a fault by key

	// For tests: a server without a socket, and changes to it before the sign-on.
	InMemory bool
	Prepare  func(*agstest.Server)
}

const second, ms = time.Second, time.Millisecond

// Normal returns a plan of about 45 seconds, slow enough to read along. At least 2.4
// of a token's 6 seconds remain for its refresh. A fault of the script takes at most
// 1.8 of these and an outage by key 2.2; both together may take too long.
func Normal() Plan {
	return Plan{
		Access: 6 * second, Refresh: 30 * second, Session: 38 * second, RefreshBefore: 3 * second, WarnBefore: 8 * second,
		Workers: 8, Pause: 25 * ms, Latency: 250 * ms, SlowFor: 1500 * ms, Refusals: 3,
		SlowAt: 4 * second, FailAt: 11 * second, RejectAt: 20 * second, Tail: 6 * second, Limit: 50 * second,
		OutageFor: 1500 * ms, SuspendFor: 7 * second,
	}
}

// Fast returns a plan of less than 9 seconds. At least 1.2 of a token's 3 seconds
// remain for its refresh, and a fault of the script takes at most 0.75 of these.
func Fast() Plan {
	return Plan{
		Access: 3 * second, Refresh: 10 * second, Session: 8 * second, RefreshBefore: 1500 * ms, WarnBefore: 2800 * ms,
		Workers: 8, Pause: 20 * ms, Latency: 100 * ms, SlowFor: 600 * ms, Refusals: 2,
		Tail: 500 * ms, Limit: 9500 * ms, OutageFor: 600 * ms, SuspendFor: 4 * second,
	}
}
