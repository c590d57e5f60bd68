package main

import (
	"slices"
	"sync"
	"time"

	"github.com/agsauth/agsauth/tokensource"
)

// The lifetimes of the platform's tokens, and what follows from them for the model.
const (
	accessLifetime  = 4 * time.Second
	refreshLifetime = 192 * time.Second
	fixedLifetime   = 48 * time.Minute
	// shortLifetime is the shortest lifetime of a session for which the model holds.
	shortLifetime = 30 * time.Second

	// soonest is how long before its expiry a good token is replaced at the earliest: half
	// its life, and a fifth of that for the random part.
	soonest = accessLifetime - accessLifetime/2 - accessLifetime/10
	// servedUntil is how long before its expiry an access token is no longer served: a
	// tenth of its life, and the time of an answer on a busy machine.
	servedUntil = accessLifetime/10 + 300*time.Millisecond
	// noRefresh is how long before the end of its session an access token may expire
	// without being refreshed.
	noRefresh = accessLifetime / 5
	// longestBackoff is the longest wait between attempts with an expired token: 10 s and
	// a quarter, and the time of the next attempt.
	longestBackoff = 12500*time.Millisecond + slack
	// storePoll is how often an ended session checks whether it was revived.
	storePoll = time.Second
	// slack is the longest time between a cause and its immediate effect on a busy
	// machine.
	slack = 2 * time.Second
	// firstInterval and lastInterval bound the time between two invalidations that have an
	// effect: half a token's life, doubling while each new token is rejected early.
	firstInterval = accessLifetime / 2
	lastInterval  = 5 * time.Minute
)

// model records the injected faults and decides which failures they explain. It is safe
// for concurrent use.
type model struct {
	canLogin func(replica int) bool

	mu            sync.Mutex // guards the rest
	windows       []*window  // the latest, oldest first
	sessions      []session  // of all sessions, oldest first
	warnings      []warning
	stalls        []*window // the latest stalls of the machine
	stallStats    stallStats
	lastHeartbeat time.Time // of the machine
	interval      time.Duration
	lastAt        time.Time // of the last rejection
}

// maxWindows is how many windows are kept. Earlier ones explain nothing any more.
const maxWindows = 8

// begin opens the window of a fault. end closes it.
func (m *model) begin(a fault) (end func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	w := &window{fault: a, from: time.Now()}
	switch a.kind {
	case rejected, revoked:
		w.hidden = m.invalidateLocked(w.from)
	case rejectAll, signedOut:
		// An API that rejects more than once.
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

// invalidateLocked notes a rejection, and reports whether it may have no effect because
// it comes too soon after another.
func (m *model) invalidateLocked(at time.Time) (tooSoon bool) {
	tooSoon = !m.lastAt.IsZero() && at.Before(m.lastAt.Add(m.interval+slack))
	m.interval = min(max(firstInterval, 2*m.interval), lastInterval)
	m.lastAt = at
	return tooSoon
}

// explains reports whether a fault explains a failure.
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

// stallCounts returns the stalls of the machine.
func (m *model) stallCounts() stallStats {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.stallStats
}

// heartbeat notes that the machine is running.
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

// stallLocked returns the time without a heartbeat before at, if it is too long.
func (m *model) stallLocked(at time.Time) *window {
	if m.lastHeartbeat.IsZero() || at.Sub(m.lastHeartbeat) <= heartbeatInterval+maxDelay {
		return nil
	}
	return &window{from: m.lastHeartbeat, to: at}
}

// stalledLocked reports whether a stall of the machine explains a failure.
func (m *model) stalledLocked(c *call) bool {
	stalls := m.stalls
	if w := m.stallLocked(time.Now()); w != nil {
		stalls = append(slices.Clone(stalls), w)
	}
	return c.outcome == unavailable && !c.end.Before(c.tokenExpiry.Add(-servedUntil)) &&
		slices.ContainsFunc(stalls, func(w *window) bool { return w.touches(c, longestBackoff) })
}

// sessionSeen notes a session by the fixed horizon of a token in use.
func (m *model) sessionSeen(end time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if n := len(m.sessions); n == 0 || end.After(m.sessions[n-1].end) {
		m.sessions = append(m.sessions, session{time.Now(), end})
	}
}

// warned notes that a replica has announced the end of the session.
func (m *model) warned(replica int, end time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.warnings = append(m.warnings, warning{replica, time.Now(), end})
}

// restarted forgets the announcement of a replica, which must come again. So close to the
// end that the next session may have begun, the restarted replica may find that one instead,
// and the announcement counts.
func (m *model) restarted(replica int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	from := time.Now().Add(accessLifetime)
	m.warnings = slices.DeleteFunc(m.warnings, func(w warning) bool { return w.replica == replica && w.end.After(from) })
}

// sessionEnd returns the fixed horizon of the latest session; zero if there is none.
func (m *model) sessionEnd() time.Time {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.sessions) == 0 {
		return time.Time{}
	}
	return m.sessions[len(m.sessions)-1].end
}

// sessionBegin returns when the latest session was first used; zero if there is none.
func (m *model) sessionBegin() time.Time {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.sessions) == 0 {
		return time.Time{}
	}
	return m.sessions[len(m.sessions)-1].seenAt
}

// completed returns the sessions that have reached their fixed horizon before at.
func (m *model) completed(at time.Time) []session {
	early := m.replacedEarly()
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(m.sessions), func(l session) bool { return l.end.After(at) || slices.Contains(early, l) })
}

// unwarned returns the replicas that have not announced the end of a session.
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

// replacedEarly returns the sessions that were replaced before they were near their end.
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

// fixedExpiryLocked reports whether a call failed because the fixed horizon had passed. A
// replica that can sign on does so before, unless the gateway is down. The others find the
// new session in the file.
func (m *model) fixedExpiryLocked(c *call) bool {
	if c.outcome != loginRequired || c.reason != tokensource.FixedExpired && c.reason != tokensource.RefreshRejected {
		return false
	}
	// A replica that still uses the last but one has not found the last yet.
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

// rejects reports whether an API may reject a token in this time. A rejection at another
// time shows that an expired token was sent.
func (m *model) rejects(begin, end time.Time) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	c := &call{begin: begin, end: end}
	return slices.ContainsFunc(m.windows, func(w *window) bool { return w.fault.kind.rejects() && w.touches(c, accessLifetime) })
}
