package lifecycle

import (
	"time"

	"github.com/agsauth/agsauth/tokensource/internal/dualclock"
)

// State is everything that is known of a session. It is a value: [State.Apply] returns
// another one and leaves the former as it is. A program may have very many, so what is
// seldom needed is behind a pointer.
type State struct {
	pair    *Pair // nil if there is none
	device  Device
	end     *End     // nil while the session can be refreshed, as far as is known
	failure *Failure // of the last refresh, or of the first load; nil if none
	pacing  *pacing  // of Invalidate and Login; nil if nothing is remembered
	store   *store   // nil if the Source has none
	current current  // about the current pair
	login   loginAbility
	warned  bool // the end was announced ahead of time
}

// loginAbility says whether the Source has a LoginFunc.
type loginAbility uint8

const (
	noLogin loginAbility = iota
	hasLogin
)

// current is what is known of the current pair besides its tokens. It is reset with each
// new pair.
type current struct {
	invalidation   invalidation
	outcomeUnknown bool // a refresh of the pair may have been granted though we have no answer
	asked          bool // a caller waits for a token that lives for longer
}

// End is why and when a session was found to have ended.
type End struct {
	Reason Reason
	At     time.Time
	Err    error // the rejection by the gateway, if there was one
}

// store is what a session knows of its store. Each [State.Apply] makes a copy.
type store struct {
	phase        storePhase
	pending      PendingSave
	saveFailures int32
	generation   int64 // of the pair in memory, as it is stored
	rereadAt     dualclock.Deadline
	saveAt       dualclock.Deadline
	deferred     *Cause      // a rejection that ends the session once the store can be read
	superseded   *superseded // the pairs replaced since the last save; nil if there are none
}

// superseded is a list of pairs that were replaced.
type superseded struct {
	pair Fingerprint
	rest *superseded
}

func (l *superseded) contains(pair Fingerprint) bool {
	for ; l != nil; l = l.rest {
		if l.pair == pair {
			return true
		}
	}
	return false
}

// storePhase is how far the store has been read.
type storePhase uint8

const (
	notLoaded storePhase = iota
	detached             // it cannot be read, and the session goes on without it
	loaded
)

// PendingSave is what the store lacks of what is in memory.
type PendingSave uint8

// What the store may lack.
const (
	SaveNothing   PendingSave = iota // the store has it, or has something newer
	SaveRetry                        // to be saved, unless others have stored something newer
	SaveOverwrite                    // an explicit SetToken or SignOut: saved over anything
)

// NewState returns the state of a new Source. pair is nil if there is none.
func NewState(pair *Pair, canLogin, hasStore bool) State {
	s := State{pair: pair}
	if pair != nil {
		s.device = pair.Device
	}
	if canLogin {
		s.login = hasLogin
	}
	if hasStore {
		s.store = &store{}
	}
	return s
}

// Pair returns the pair of tokens, nil if there is none.
func (s *State) Pair() *Pair { return s.pair }

// Device returns the device and account of the session.
func (s *State) Device() Device { return s.device }

// End returns why the session has ended, nil if it has not.
func (s *State) End() *End { return s.end }

// IsOutcomeUnknown reports whether a refresh of the current pair may have been granted
// though its answer was lost.
func (s *State) IsOutcomeUnknown() bool { return s.current.outcomeUnknown }

// IsInvalidated reports whether callers wait because an API has rejected the token.
func (s *State) IsInvalidated() bool { return s.current.invalidation == invalidated }

// LastFailure returns what the last attempt at what the session needs has failed with,
// nil if it has not.
func (s *State) LastFailure() *Failure {
	if s.failure != nil {
		return s.failure
	}
	return s.pacing.lastLogins().lastFailure()
}

// SpacingLeft returns how long it is until a refresh may start. An invalidation has a
// spacing of its own, and so has a refresh that a caller has asked for.
func (s *State) SpacingLeft(now dualclock.Instant) time.Duration {
	if s.pair == nil || s.current.invalidation != notInvalidated {
		return 0
	}
	due := s.pair.schedule()
	earliest := due.earliestRefresh
	if s.current.asked {
		earliest = dualclock.Earliest(earliest, s.pair.receivedAt.Add(askSpacing(due.life)))
	}
	return earliest.Left(now)
}

// HasLiveToken reports whether there is an access token that lives by both clocks.
func (s *State) HasLiveToken(now dualclock.Instant) bool { return s.LiveFor(now) > 0 }

// LiveFor returns how long the access token lives. It is zero or less if it does not.
func (s *State) LiveFor(now dualclock.Instant) time.Duration {
	if s.pair == nil {
		return 0
	}
	due := s.pair.schedule()
	return due.serveUntil.Left(now)
}

// IsServing reports whether all callers are served, or have their answer, without a
// refresh.
func (s *State) IsServing(now dualclock.Instant) bool {
	return s.end != nil || s.HasLiveToken(now) && !s.IsInvalidated() && !s.current.asked
}

// IsLastChance reports whether a refresh that waits any longer for the store would make
// callers wait: in the last half of the margin, and at most two timeouts before the
// token is not served any more.
func (s *State) IsLastChance(refreshTimeout time.Duration, now dualclock.Instant) bool {
	if s.pair == nil {
		return false
	}
	due := s.pair.schedule()
	return due.serveUntil.Add(-min(s.pair.margin/2, 2*refreshTimeout)).PassedOnEither(now)
}

// isCurrent reports whether p is the current pair. What an operation has found out of a
// pair has no effect on another one that was adopted meanwhile.
func (s *State) isCurrent(p *Pair) bool {
	return p != nil && s.pair != nil && p.Tokens.Fingerprint() == s.pair.Tokens.Fingerprint()
}

// NextSignOnEnd returns the end that a Login makes up for: one that has come, or one so
// near that no refresh helps.
func (s *State) NextSignOnEnd(now dualclock.Instant) End {
	if s.end != nil {
		return *s.end
	}
	reason := FixedExpired
	if s.pair != nil && !s.pair.HasRefreshToken {
		reason = RefreshExpired
	}
	return End{Reason: reason, At: endAt(s.pair, reason, now)}
}

// Generation returns the generation of the pair in memory, as it is stored.
func (s *State) Generation() int64 {
	if s.store == nil {
		return 0
	}
	return s.store.generation
}

// Pending returns what the store lacks of what is in memory.
func (s *State) Pending() PendingSave {
	if s.store == nil {
		return SaveNothing
	}
	return s.store.pending
}

// IsWorthSaving reports whether the store lacks something that another process could use.
func (s *State) IsWorthSaving() bool {
	if s.Pending() == SaveNothing {
		return false
	}
	return s.end != nil && s.end.Reason == SignedOut || s.pair != nil && s.end == nil
}

// DeferredRejection returns the rejection that waits for the store to be readable, nil
// if there is none.
func (s *State) DeferredRejection() *Cause {
	if s.store == nil {
		return nil
	}
	return s.store.deferred
}

// IsSuperseded reports whether a pair is one that was replaced since the last save. If
// it is found in the store, it is no news.
func (s *State) IsSuperseded(token Fingerprint) bool {
	return s.store != nil && s.store.superseded.contains(token)
}

func (s *State) endReason() Reason {
	if s.end == nil {
		return NotEnded
	}
	return s.end.Reason
}

// IsUnread reports whether the store was not read yet.
func (s *State) IsUnread() bool { return s.store != nil && s.store.phase == notLoaded }

func (s *State) schedule() schedule {
	if s.pair == nil {
		return schedule{}
	}
	return s.pair.schedule()
}
