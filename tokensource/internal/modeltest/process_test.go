package modeltest_test

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/agsauth/agsauth/ags"
	"github.com/agsauth/agsauth/tokensource"
)

// process is a process with a Source, and what it can know.
type process struct {
	model *model
	n     int
	name  string
	host  *host
	store *processStore // nil without a store
	src   *tokensource.Source

	crashed, closing, closed, running bool

	current           *pair
	currentSince      time.Duration
	wasCurrent        map[*pair]bool // has been current
	comparedWithStore map[*pair]bool // the Config token, after its comparison with the record
	given             *pair
	beliefs           map[*pair][]*belief
	tried             map[*pair]bool // a save was tried
	answered          map[*pair]bool // presented, with a final answer
	unknown           map[*pair]bool // presented and redeemed, without an answer
	mustNotServe      *pair          // invalidated; must not be served until a refresh fails
	lastServed        *pair          // since the last settle
	outgoing          int            // calls of the store and the gateway since the last settle
	overdue           time.Duration  // since when a refresh is overdue despite Run; 0 if it is not
	invalidated       map[*pair]bool // without a refresh since
	rejections        map[*pair][]instant
	unrefreshed       map[*pair]bool // invalidated, and the refresh has failed; true if that is certain
	lastForced        instant        // the Invalidate that caused the last forced refresh
	signedOut         map[*session]bool
	owesSignOut       map[*pair]bool         // granted after a sign-out
	warned            map[*session]time.Time // the end of the last warning
	inFlight          []*gatewayCall
	lost              *gatewayCall // the refresh whose answer was lost, until its repetition
	lostAt            time.Duration
	loadsAtRejection  int // the number of loads at the last rejection
	failure           failureMemory
	asked             []*caller // for a validity
	shortLived        *pair     // nearly expired on arrival; refreshed on the backoff
	ended             tokensource.Reason
	endedPair         *pair
	deleted           bool          // the device
	hasSignedOut      bool          // SignOut was called
	loggedIn          time.Duration // the last login; 0 for never
	client            string
	lastAction        userAction
}

// userAction is the last explicit SetToken or SignOut.
type userAction struct {
	session *session // nil for a sign-out, or no action
	token   *ags.Token
	signOut bool
	unsaved bool
	n       int // counts the actions
}

// matches reports whether a saved pair is that of the action.
func (w userAction) matches(pr *pair) bool {
	return w.signOut && pr == nil || w.session != nil && pr != nil && pr.session == w.session
}

// failureMemory is what a process remembers of its failures.
type failureMemory struct {
	next  deadline
	pair  *pair
	login bool
	count int
}

// gatewayCall is a call of the gateway in flight.
type gatewayCall struct {
	ctx            context.Context //nolint:containedctx // it is looked at, and nothing is called with it
	pair           *pair           // nil for a login
	first          instant         // when it, or the call that it repeats, was sent
	at             instant
	redeemedBefore bool // when it was sent
	repeats        bool // a call whose answer was lost
}

// start starts a process on the shared store.
func (m *model) start(index int) {
	if m.procs[index] != nil {
		return
	}
	p := &process{
		model: m, n: len(m.past) + index, host: m.hosts[index],
		beliefs: map[*pair][]*belief{}, tried: map[*pair]bool{}, wasCurrent: map[*pair]bool{}, comparedWithStore: map[*pair]bool{}, owesSignOut: map[*pair]bool{}, answered: map[*pair]bool{}, unknown: map[*pair]bool{},
		invalidated: map[*pair]bool{}, unrefreshed: map[*pair]bool{}, rejections: map[*pair][]instant{}, signedOut: map[*session]bool{}, warned: map[*session]time.Time{},
	}
	p.name = fmt.Sprintf("%c%d", 'A'+index, len(m.past)+1)
	cfg := tokensource.Config{
		Refresher: processGateway{p}, Clock: processClock{p}, Rand: p.random(), OnEvent: p.onEvent, RefreshBefore: m.settings.refreshBefore,
	}
	if m.settings.logged {
		cfg.Logger = slog.New(slog.NewTextHandler(logChecker{m}, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	if m.settings.withLogin {
		cfg.Login = p.login
	}
	if m.settings.withStore {
		p.store = &processStore{p: p, memory: m.peer(), taken: map[*heldLock]bool{}, calls: map[context.Context]string{}}
		cfg.Store = p.store
		if m.settings.locks {
			cfg.Store = lockingStore{p.store}
		}
	}
	if m.settings.given && index == 0 && (len(m.past) == 0 || !m.settings.withStore) {
		m.mu.Lock()
		first, t := m.gw.signOnLocked(p, "PUB_1")
		p.obtainedLocked(first, t, origin{at: p.now(), stored: true})
		p.becameCurrentLocked(first)
		p.client, p.given = "PUB_1", first
		m.mu.Unlock()
		cfg.Token = t
	}
	src, err := tokensource.New(cfg)
	if err != nil {
		panic(err)
	}
	p.src, m.procs[index] = src, p
}

func (p *process) now() instant { return instant{p.host.now(), p.model.fake.Elapsed()} }

// outgoingLocked records a call of the store or the gateway.
func (p *process) outgoingLocked(what string) {
	p.outgoing++
	if p.closed {
		p.model.failLocked("12: %s: %s after Close", p.name, what)
	}
}

// logChecker checks that a log contains no secret.
type logChecker struct{ model *model }

func (l logChecker) Write(line []byte) (int, error) {
	l.model.mu.Lock()
	defer l.model.mu.Unlock()
	l.model.printedLocked(string(line))
	return len(line), nil
}

// processGateway is the gateway of one process.
type processGateway struct{ p *process }
