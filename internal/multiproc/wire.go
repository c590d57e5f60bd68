package multiproc

import (
	"encoding/json"
	"time"

	"github.com/agsauth/agsauth/tokensource"
)

// Spec says what a process is to be.
type Spec struct {
	// Gateway is the URL of an agstest.Server.
	Gateway string
	// Store is what the open function given to [Main] opens.
	Store string
	// Name is sent with every call of the gateway, in the header [NameHeader].
	Name string
	// Login has the source sign on by itself. Otherwise [Process.SignOn] does.
	Login bool
	// Carry has the process sign on before its source is made, and hand it the
	// token as its Config.Token.
	Carry bool
	// Linger has the process stop in its Lock, once it holds the lock and before
	// its source knows, until [Process.GoOn]; it says so first, see
	// [Process.AwaitLock].
	Linger bool
	// Spend makes the process a spender: see [Process.Ended].
	Spend bool

	// GatewayTimeout is ags.Config.Timeout.
	GatewayTimeout time.Duration
	// As in tokensource.Config.
	RefreshBefore, RefreshTimeout, LockTimeout, StoreTimeout time.Duration
}

// NameHeader is the header that tells the gateway which process calls.
const NameHeader = "X-Fleet-Name"

// Answer is what a process got for a request to the API.
type Answer struct {
	// Session and Generation are those of the token that the API took, 0 if it
	// took none.
	Session, Generation int
	// Status is the API's, 0 if it was not reached.
	Status int
	// Failure is the error's text, empty if there was none, and Reason why the
	// session had ended, 0 if it had not.
	Failure        string
	Reason         tokensource.Reason
	OutcomeUnknown bool
	// Took is how long it took.
	Took time.Duration
}

// OK reports whether the API answered as it should.
func (a Answer) OK() bool { return a.Failure == "" && a.Status == 200 }

// Notice is what a source has announced.
type Notice struct {
	Kind    tokensource.Kind
	Reason  tokensource.Reason
	Failure string
}

// Tally is what has come of a process's traffic.
type Tally struct {
	Calls, Failed int
	// Failures are the first few of the answers that were not OK.
	Failures []Answer
	Slowest  time.Duration
	// Generations counts the calls that were made with each.
	Generations map[int]int
}

// The commands.
const (
	doAsk     = "ask"
	doTraffic = "traffic"
	doTally   = "tally"
	doSignOn  = "sign on"
	doSignOut = "sign out"
	doSync    = "sync"
	doLimit   = "limit"
	doGoOn    = "go on"
	doClose   = "close"
)

// command is what a process is told.
type command struct {
	Serial int
	Do     string
	N      int
}

// line is what a process says: the answer to a command, or, with Serial 0,
// something that it was not asked for.
type line struct {
	Serial  int
	Failure string          `json:",omitempty"`
	Result  json.RawMessage `json:",omitempty"`

	Notice *Notice `json:",omitempty"`
	Locked bool    `json:",omitempty"`
	Ended  *Answer `json:",omitempty"`
}
