package main

import (
	"slices"
	"sync"
	"time"

	"github.com/agsauth/agsauth/agstest"
	"github.com/agsauth/agsauth/tokensource"
)

// How long the platform's tokens live, and what follows from it for the model.
const (
	accessLifetime  = 4 * time.Second
	refreshLifetime = 192 * time.Second
	fixedLifetime   = 48 * time.Minute
	// shortLifetime is how short a session may be for all that is said here to hold.
	shortLifetime = 30 * time.Second

	// soonest is when a token is replaced at the earliest, where nothing is wrong with
	// it: half a life, and a fifth of that for the spreading, before its end.
	soonest = accessLifetime - accessLifetime/2 - accessLifetime/10
	// servedUntil is how long before its end an access token may no longer be
	// served: a tenth of its life, and what an answer takes on a busy machine.
	servedUntil = accessLifetime/10 + 300*time.Millisecond
	// noRefresh is how long before its session's end an access token may expire for no
	// other to be asked for.
	noRefresh = accessLifetime / 5
	// longestBackoff is the longest wait between attempts with a dead token: 10 s and
	// a quarter, and what the next attempt takes.
	longestBackoff = 12500*time.Millisecond + slack
	// storePoll is how often an ended session looks whether somebody has revived it.
	storePoll = time.Second
	// slack is what may pass between two things, one of which follows at once from the
	// other, on a machine that has other things to do.
	slack = 2 * time.Second
	// firstInterval and lastInterval are how far apart two invalidations are that have
	// an effect: half a token's life, doubling while each new token is rejected early.
	firstInterval = accessLifetime / 2
	lastInterval  = 5 * time.Minute
)

// outcome is what came of a call.
type outcome string

const (
	served        outcome = "served"
	refused       outcome = "403"
	unavailable   outcome = "unavailable"
	loginRequired outcome = "login required"
	closed        outcome = "closed"
	other         outcome = "other"
)

// call is one that failed.
type call struct {
	replica    int
	begin, end time.Time
	outcome    outcome
	reason     tokensource.Reason // why a login is required; 0 where none is
	// tokenExpiry is when the last token that was used by this replica dies, as the
	// gateway has it.
	tokenExpiry time.Time
	// inTransit says that a token was sent alive, and died before it was answered,
	// because the machine was too busy to carry it.
	inTransit bool
	// stalled says that nothing else explains it than that the machine stallStats still.
	stalled bool
	text    string
}

// slowCall is what a request and its answer take on loopback only when the machine has
// too much else to do. Tokens are handed out until a tenth of their instance is left.
const slowCall = accessLifetime / 20

// dies returns when a token is dead: when its session is, at the latest.
func dies(token *agstest.TokenInfo) time.Time {
	if token.FixedExpiresAt.Before(token.ExpiresAt) {
		return token.FixedExpiresAt
	}
	return token.ExpiresAt
}

// expiredInTransit reports whether a token was good when it was sent, and that the answer
// came after its death is nobody's fault. Up to a fixed horizon it is handed out to the
// last.
func expiredInTransit(token *agstest.TokenInfo, begin, end time.Time) bool {
	dies, least := dies(token), slowCall
	if dies.Before(token.ExpiresAt) {
		least = 0
	}
	return begin.Before(dies) && !end.Before(dies) && end.Sub(begin) > least
}

// window is the time of one fault: until it is over, to is zero.
type window struct {
	fault    fault
	from, to time.Time
	// hidden says that a rejection may not have been acted upon, as another was not
	// long ago.
	hidden bool
}

// until returns the end of the window and of what follows from it.
func (w *window) until(tail time.Duration) time.Time {
	if w.to.IsZero() {
		return time.Now().Add(time.Hour)
	}
	return w.to.Add(tail)
}

// touches reports whether a call was under way within the window, or so long after.
func (w *window) touches(c *call, tail time.Duration) bool {
	return c.end.After(w.from) && c.begin.Before(w.until(tail))
}

// explains reports whether the window makes the failure one that could not be
// helped.
func (w *window) explains(c *call, canLogin bool) bool {
	dead := !c.end.Before(c.tokenExpiry.Add(-servedUntil))
	switch w.fault.kind {
	case outage:
		return c.outcome == unavailable && dead && w.touches(c, longestBackoff)
	case tooMany:
		return c.outcome == unavailable && dead && w.touches(c, w.fault.span+slack)
	case rejectAll:
		return c.outcome == refused && w.touches(c, 0)
	case rejected:
		return c.outcome == refused && w.hidden && w.touches(c, accessLifetime)
	case revoked:
		gone := c.outcome == refused || c.outcome == loginRequired && c.reason == tokensource.RefreshRejected
		tail := storePoll + 2*slack
		if w.hidden { // who can sign on learns of it when its token dies
			tail += accessLifetime
		}
		return gone && !canLogin && w.touches(c, tail) ||
			c.outcome == refused && w.hidden && w.touches(c, accessLifetime)
	case signedOut:
		// The gateway is told before the file: who refreshes in between is rejected, and
		// learns why when it looks into the file again.
		gone := c.outcome == refused || c.outcome == loginRequired && (c.reason == tokensource.SignedOut || c.reason == tokensource.RefreshRejected)
		return gone && w.touches(c, storePoll+slack)
	case restart:
		return c.outcome == closed && c.replica == w.fault.replica && w.touches(c, 0)
	case slow, lostWork, lostReply, emptied, damaged, jumped:
		// Nobody needs to notice any of these.
	}
	return false
}

// lifetime is a session's, as the gateway has it.
type session struct {
	seenAt time.Time // when a token of it was first used
	end    time.Time // its fixed horizon
}

// warning is what a replica says of an end to come.
type warning struct {
	replica int
	at, end time.Time
}

// stallStats is how often the machine stallStats still.
type stallStats struct {
	Times   int           `json:"times"`
	Longest time.Duration `json:"longest_ns"`
}

// model knows what was made to go wrong, and says what may fail for it. It is safe
// for concurrent use.
type model struct {
	canLogin func(replica int) bool

	mu            sync.Mutex // guards all below
	windows       []*window  // the latest, oldest first
	sessions      []session  // of all sessions, oldest first
	warnings      []warning
	stalls        []*window // when the machine stallStats still, the latest
	stallStats    stallStats
	lastHeartbeat time.Time // when it was last seen that it does not
	interval      time.Duration
	lastAt        time.Time // when an invalidation was last called for
}

// kept is how many windows are looked at: the others have long been over.
const maxWindows = 8

// begin opens the window of an fault, which is closed by end.
func (m *model) begin(a fault) (end func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	w := &window{fault: a, from: time.Now()}
	switch a.kind {
	case rejected, revoked:
		w.hidden = m.invalidateLocked(w.from)
	case rejectAll, signedOut:
		// An API that rejects, more than once.
		for range 1 + int(a.span/firstInterval) {
			m.invalidateLocked(w.from.Add(a.span))
		}
	case outage, slow, lostWork, lostReply, tooMany, restart, emptied, damaged, jumped:
	}
	m.windows = append(m.windows, w)
	m.windows = m.windows[max(0, len(m.windows)-maxWindows):]
	return func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		w.to = time.Now()
	}
}

// invalidateLocked notes that a token is rejected, and reports whether that may have no
// effect, as it comes too soon after another.
func (m *model) invalidateLocked(at time.Time) (tooSoon bool) {
	tooSoon = !m.lastAt.IsZero() && at.Before(m.lastAt.Add(m.interval+slack))
	m.interval = min(max(firstInterval, 2*m.interval), lastInterval)
	m.lastAt = at
	return tooSoon
}

// explains reports whether a failure could not be helped.
func (m *model) explains(c *call) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if c.outcome == refused && c.inTransit {
		return true
	}
	for _, w := range m.windows {
		if w.explains(c, m.canLogin(c.replica)) {
			return true
		}
	}
	if m.fixedExpiryLocked(c) {
		return true
	}
	c.stalled = m.stalledLocked(c)
	return c.stalled
}

// stallCounts returns how often the machine stallStats still.
func (m *model) stallCounts() stallStats {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.stallStats
}

// beats notes that the machine is there.
func (m *model) heartbeat(at time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if w := m.stallLocked(at); w != nil {
		m.stallStats.Times++
		m.stallStats.Longest = max(m.stallStats.Longest, w.to.Sub(w.from)-heartbeatInterval)
		m.stalls = append(m.stalls, w)
		m.stalls = m.stalls[max(0, len(m.stalls)-maxWindows):]
	}
	m.lastHeartbeat = at
}

// stallLocked returns the span without a heartbeatInterval until an instant, if it is too long.
func (m *model) stallLocked(at time.Time) *window {
	if m.lastHeartbeat.IsZero() || at.Sub(m.lastHeartbeat) <= heartbeatInterval+maxDelay {
		return nil
	}
	return &window{from: m.lastHeartbeat, to: at}
}

// stalledLocked reports whether a token was not had in time because the machine stallStats
// still, or does still.
func (m *model) stalledLocked(c *call) bool {
	stalls := m.stalls
	if w := m.stallLocked(time.Now()); w != nil {
		stalls = append(slices.Clone(stalls), w)
	}
	return c.outcome == unavailable && !c.end.Before(c.tokenExpiry.Add(-servedUntil)) &&
		slices.ContainsFunc(stalls, func(w *window) bool { return w.touches(c, longestBackoff) })
}

// sees notes a session, by the fixed horizon of a token that is used.
func (m *model) sessionSeen(end time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if n := len(m.sessions); n == 0 || end.After(m.sessions[n-1].end) {
		m.sessions = append(m.sessions, session{time.Now(), end})
	}
}

// warned notes that a replica has said when the session will end.
func (m *model) warned(replica int, end time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.warnings = append(m.warnings, warning{replica, time.Now(), end})
}

// restarted forgets what a replica has said of an end to come: it is to be said anew.
func (m *model) restarted(replica int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := time.Now()
	m.warnings = slices.DeleteFunc(m.warnings, func(w warning) bool { return w.replica == replica && w.end.After(now) })
}

// end returns the fixed horizon of the session that was begun last; zero if there is
// none yet.
func (m *model) sessionEnd() time.Time {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.sessions) == 0 {
		return time.Time{}
	}
	return m.sessions[len(m.sessions)-1].end
}

// reached returns the sessions that have lasted until their fixed horizon, before an
// instant.
func (m *model) completed(at time.Time) []session {
	early := m.replacedEarly()
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(m.sessions), func(l session) bool { return l.end.After(at) || slices.Contains(early, l) })
}

// unwarned returns the replicas that have not said ahead of time that a session ends.
func (m *model) unwarned(l session) (silent []int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for replica := range replicas {
		if !slices.ContainsFunc(m.warnings, func(w warning) bool {
			return w.replica == replica && w.at.Before(l.end) && w.end.Sub(l.end).Abs() < time.Second
		}) {
			silent = append(silent, replica)
		}
	}
	return silent
}

// cutShort returns the sessions that were replaced before they were about to end.
func (m *model) replacedEarly() (early []session) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i, l := range m.sessions[:max(0, len(m.sessions)-1)] {
		if m.sessions[i+1].seenAt.Before(l.end.Add(-accessLifetime)) {
			early = append(early, l)
		}
	}
	return early
}

// endedLocked reports whether a call failed because the fixed horizon had passed. Who can
// sign on does so before it, unless the gateway is down; the others learn of the new
// session when they look into the file.
func (m *model) fixedExpiryLocked(c *call) bool {
	if c.outcome != loginRequired || c.reason != tokensource.FixedExpired && c.reason != tokensource.RefreshRejected {
		return false
	}
	// Who goes on with the last but one has not noticed the last yet.
	return slices.ContainsFunc(m.sessions[max(0, len(m.sessions)-2):], func(l session) bool {
		end := &window{from: l.end.Add(-noRefresh - servedUntil), to: l.end.Add(storePoll + 2*slack)}
		if c.reason == tokensource.RefreshRejected {
			end.from = l.end // the gateway rejects nobody before
		}
		canLogin := m.canLogin(c.replica)
		for _, w := range m.windows {
			if w.fault.kind == outage && w.from.Before(end.to) && end.from.Before(w.until(longestBackoff)) {
				end.to, canLogin = w.until(longestBackoff+storePoll+2*slack), false
			}
		}
		return !canLogin && end.touches(c, 0)
	})
}

// rejects reports whether an API may reject a token at an instant: in all other
// cases one was sent that was dead.
func (m *model) rejects(begin, end time.Time) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	c := &call{begin: begin, end: end}
	return slices.ContainsFunc(m.windows, func(w *window) bool { return w.fault.kind.rejects() && w.touches(c, accessLifetime) })
}
