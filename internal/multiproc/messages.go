package multiproc

import (
	"encoding/json"
	"time"

	"github.com/agsauth/agsauth/tokensource"
)

// Spec configures a process.
type Spec struct {
	// Gateway is the URL of an agstest.Server.
	Gateway string
	// Store is the argument for the [Open] function given to [Main].
	Store string
	// Name is sent in the header [NameHeader] of every request to the gateway.
	Name string
	// Login makes the source sign on by itself. Otherwise the test must call
	// [Process.SignOn].
	Login bool
	// Carry makes the process sign on first, and pass the token as Config.Token.
	Carry bool
	// Linger makes the process wait in Lock, with the lock held, until [Process.GoOn].
	// See [Process.AwaitLock].
	Linger bool
	// Spend makes the process refresh as fast as it can: see [Process.Ended].
	Spend bool

	// GatewayTimeout is ags.Config.Timeout.
	GatewayTimeout time.Duration
	// These are fields of tokensource.Config.
	RefreshBefore, RefreshTimeout, LockTimeout, StoreTimeout time.Duration
}

// NameHeader is the header with the name of the calling process.
const NameHeader = "X-Process-Name"

// Answer is the result of a request to the API.
type Answer struct {
	// Session and Generation identify the token that the API has accepted, or are 0.
	Session, Generation int
	// Status is the HTTP status, or 0 without a response.
	Status int
	// Failure is the text of the error, and Reason the reason of a LoginRequiredError.
	Failure        string
	Reason         tokensource.Reason
	OutcomeUnknown bool
	// Took is the duration of the request.
	Took time.Duration
}

// OK reports whether the API accepted the request.
func (a Answer) OK() bool { return a.Failure == "" && a.Status == 200 }

// Notice is an event of the source.
type Notice struct {
	Kind    tokensource.Kind
	Reason  tokensource.Reason
	Failure string
}

// Tally sums up the requests of [Process.Traffic].
type Tally struct {
	Calls, Failed int
	// Failures are the first answers that were not OK.
	Failures []Answer
	Slowest  time.Duration
	// Generations counts the requests by the generation of their token.
	Generations map[int]int
}

// Commands of the parent.
const (
	doAsk     = "ask"
	doTraffic = "traffic"
	doTally   = "tally"
	doSignOn  = "sign on"
	doSignOut = "sign out"
	doLimit   = "limit"
	doGoOn    = "go on"
	doClose   = "close"
)

// command is a message from the parent to the child.
type command struct {
	Serial int
	Do     string
	N      int
}

// line is a message from the child to the parent: the result of a command or, with
// Serial 0, a notification.
type line struct {
	Serial  int
	Failure string          `json:",omitempty"`
	Result  json.RawMessage `json:",omitempty"`

	Notice *Notice `json:",omitempty"`
	Locked bool    `json:",omitempty"`
	Ended  *Answer `json:",omitempty"`
}
