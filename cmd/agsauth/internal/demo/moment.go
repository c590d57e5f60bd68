package demo

import "time"

// Kind is what a [Moment] tells.
type Kind uint8

// What happens. Behind each stand the fields of Moment that it has.
const (
	// SessionBegun says that the first session has begun: N, Device, and In until
	// its end.
	SessionBegun Kind = iota + 1
	// WorkBegun says that the workers are at work: N of them.
	WorkBegun

	// RefreshPending says that the N-th refresh has begun, which is a slow one:
	// Left, zero if the API rejects the token in hand.
	RefreshPending
	// RefreshFailed says that a call for the N-th refresh was refused: Status, or
	// Err if there was no answer; In until the next one; and Left.
	RefreshFailed
	// AnswerLost says that the answer to a call for the N-th refresh was lost: Left.
	AnswerLost
	// Refreshed says that the N-th refresh was granted: Took and Calls, from the
	// first call to the grant, with Served, Failed and Slowest of that time.
	Refreshed

	// GatewaySlows says that the next refresh will take longer, by Took, on purpose.
	GatewaySlows
	// GatewayFails says that the next N calls for a refresh will be refused, and
	// the answer to another one lost, on purpose.
	GatewayFails
	// TokenRejected says that the API rejects the current token from now on, on
	// purpose.
	TokenRejected
	// TokenReplaced says that N requests were rejected with it, and sent again
	// with another: Took, since TokenRejected.
	TokenReplaced

	// SessionEnding says that the end of the N-th session was announced: In.
	SessionEnding
	// LoggedIn says that the N-th session has begun ahead of the end of the first:
	// In until that, Device, Took, Calls, Served, Failed and Slowest.
	LoggedIn
	// SessionOver says that the end of the N-th session has come: Served and Failed
	// since the next one began.
	SessionOver

	// GatewayOut says that every call of the gateway is refused from now on, by hand:
	// In until it ends.
	GatewayOut
	// TokenRejectedByHand is TokenRejected by hand. RejectionRefused says that it
	// would not have been heeded: for In, or while a refresh has failed if that is
	// zero.
	TokenRejectedByHand
	RejectionRefused
	// MachineSlept says that the machine slept, by hand: Took; and Left, negative if
	// the token in hand died meanwhile.
	MachineSlept
	// RequestFailedByHand is RequestFailed for want of a token, after a fault by hand:
	// the first of those until there is a good token.
	RequestFailedByHand

	// RequestFailed says that a worker's request failed: Status, or Err. Only the
	// first few are told of. Nothing from here on is in the plan.
	RequestFailed
	// LoginFailed says that a login failed: Status, or Err.
	LoginFailed
	// SessionLost says that the N-th session has ended before there was a next one.
	SessionLost
)

// Moment is something that has just happened. Which fields it has is told by its
// Kind; the others are zero. It carries no secret.
type Moment struct {
	At   time.Duration // since the demo began
	Kind Kind

	N       int           // which, or how many
	Calls   int           // of the gateway
	Status  int           // of the answer
	Err     error         // why there was no answer
	Device  string        // the client identifier
	Took    time.Duration // from its beginning to now
	In      time.Duration // from now until what it tells of
	Left    time.Duration // what the token in hand is still good for
	Served  int           // requests answered meanwhile, whatever the answer
	Failed  int           // requests of these that failed
	Slowest time.Duration // the longest of these, or of those still waiting
}
