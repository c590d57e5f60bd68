package lifecycle

import "time"

// Kind is what an event tells.
type Kind uint8

// The kinds of events. See the constants of tokensource with the same names.
const (
	EventRefreshed Kind = iota + 1
	EventRefreshFailed
	EventAdopted
	EventTokenSet
	EventLoggedIn
	EventLoginFailed
	EventEnding
	EventEnded
	EventStoreFailed
	EventSaved
)

// Event is to be announced. See tokensource.Event.
type Event struct {
	Kind   Kind
	Reason Reason
	Err    error
	NextAt time.Time
}
