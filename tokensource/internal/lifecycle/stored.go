package lifecycle

import (
	"time"

	"github.com/agsauth/agsauth/tokensource/internal/dualclock"
)

// rereadInterval is how often the store of an ended session is read again.
const rereadInterval = time.Second

// Stored is a record of the store. A nil one means that nothing is stored.
type Stored struct {
	Generation int64
	Device     Device
	StartedAt  time.Time // when the session began
	// Pair is nil if the record is the mark of a sign-out.
	Pair        *Pair
	SignedOutAt time.Time
}

// changedAt returns when the pair was issued, or the session signed out.
func (r *Stored) changedAt() time.Time {
	if r.Pair == nil {
		return r.SignedOutAt
	}
	return r.Pair.IssuedAt()
}

// Adopts reports whether a stored record takes the place of what is in memory: it does
// if it is newer. An explicit SetToken or SignOut that is not saved yet is not given up
// for it, nor, at the first load, a Config.Token that goes first.
func (s *State) Adopts(r *Stored, now dualclock.Instant) bool {
	return !s.PrefersConfigToken(r, now) && s.isNewer(r) && !s.isOwn(r)
}

// fingerprint returns that of the pair, the zero one if the record has none.
func (r *Stored) fingerprint() Fingerprint {
	if r.Pair == nil {
		return Fingerprint{}
	}
	return r.Pair.Tokens.Fingerprint()
}

// IsNews reports whether a record of this generation and pair is later than the
// generation known.
func (s *State) IsNews(generation, known int64, pair Fingerprint) bool {
	return generation > known && !s.IsSuperseded(pair)
}

func (s *State) isNewer(r *Stored) bool {
	return r != nil && r.Generation > s.store.generation && !s.hasSuperseded(r) &&
		(s.store.pending != SaveOverwrite || s.isSameSession(r))
}

// hasSuperseded is IsSuperseded for the pair of a record. It takes the fingerprint, which
// is a hash of both tokens, only if there is something to compare it with.
func (s *State) hasSuperseded(r *Stored) bool {
	return s.store.superseded != nil && s.IsSuperseded(r.fingerprint())
}

// isOwn reports whether a record is of the pair in memory: a save took effect though its
// answer was lost.
func (s *State) isOwn(r *Stored) bool {
	return s.isCurrent(r.Pair)
}

// isSameSession reports whether a record is of the session in memory: another process
// has refreshed a pair that was saved though the answer was lost.
func (s *State) isSameSession(r *Stored) bool {
	return s.pair != nil && dualclock.UnixNanoOf(r.StartedAt) == s.pair.startedAt && !s.pair.differs(r.Device)
}

// PrefersConfigToken reports whether Config.Token, or what has come of it, goes before
// what is stored. That can be at the first load only: if nothing is stored, or what is
// stored is older or of somebody else. Within one session the generation tells which is
// older, because the clocks of two hosts differ.
func (s *State) PrefersConfigToken(r *Stored, now dualclock.Instant) bool {
	if s.store.phase == loaded || s.pair == nil {
		return false
	}
	if r == nil {
		return true
	}
	v := view{State: s, due: s.schedule(), now: now}
	if s.end != nil || s.store.deferred != nil || v.endedByTime() != NotEnded || s.isSameSession(r) {
		return false // a session that has ended never overwrites a stored record
	}
	return s.pair.differs(r.Device) || s.pair.issuedAtKnown && s.pair.IssuedAt().After(r.changedAt())
}

// Found is the outcome when the store was read. It is adopted if it is newer.
type Found struct{ Record *Stored }

func (o Found) apply(c *change) {
	st, r := c.store, o.Record
	if c.PrefersConfigToken(r, c.now) {
		st.phase, st.pending = loaded, max(st.pending, SaveRetry)
		if r != nil {
			st.generation = max(st.generation, r.Generation)
		}
		return
	}
	st.phase = loaded
	switch {
	case !c.isNewer(r):
	case c.isOwn(r):
		c.emit(c.saved(SaveResult{Generation: r.Generation})...)
	default:
		c.adopt(r)
	}
}

// Adopted is the outcome when a record was found instead of the one that was loaded, and
// takes the place of what is in memory.
type Adopted struct{ Record *Stored }

func (o Adopted) apply(c *change) {
	if o.Record.Generation > c.store.generation {
		c.adopt(o.Record)
	}
}

func (c *change) adopt(r *Stored) {
	st := c.store
	st.phase, st.pending, st.generation, st.superseded = loaded, SaveNothing, r.Generation, nil
	if r.Pair != nil {
		c.publish(r.Pair, EventAdopted)
		return
	}
	c.pair, c.device, c.current, c.failure = nil, r.Device, current{}, nil
	c.endSession(SignedOut, nil)
	c.rereadLater()
}

func (c *change) rereadLater() { c.store.rereadAt = c.now.Add(rereadInterval).Deadline() }

// NothingNew is the outcome when the store was read, and what it has was not adopted.
type NothingNew struct{ IsEmpty bool }

func (o NothingNew) apply(c *change) {
	c.forgetLoadFailure()
	c.rereadLater()
	if o.IsEmpty && c.pair != nil && c.store.pending == SaveNothing {
		// Somebody has emptied the store. What is in memory is still good.
		c.store.pending, c.store.saveAt = SaveRetry, c.now.Deadline()
	}
}

func (c *change) forgetLoadFailure() {
	if c.failure != nil && c.failure.attempt == attemptLoad {
		c.failure = nil
	}
}

// LoadFailed is the outcome when the store could not be read.
type LoadFailed struct {
	Cause

	// Abandon is set if nobody can read what is stored, or the store has been away for
	// long: a session in memory goes on without it.
	Abandon bool
	Draw    float64
}

// Before the first successful load, a failed one is remembered like a failed refresh,
// because nobody can say what the session is.
func (o LoadFailed) apply(c *change) {
	c.rereadLater()
	if c.store.phase != notLoaded {
		return
	}
	c.current.invalidation = c.current.invalidation.afterFailedRefresh()
	if c.pair != nil && o.Abandon {
		c.store.phase, c.failure = detached, nil
		c.emit(c.saved(SaveResult{Err: o.Err})...)
		return
	}
	c.failure = c.failure.after(o.Cause, attemptLoad, c.LiveFor(c.now), c.now, o.Draw)
}
