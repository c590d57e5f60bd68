package tokensource

import (
	"time"

	"github.com/agsauth/agsauth/tokensource/internal/dualclock"
	"github.com/agsauth/agsauth/tokensource/internal/lifecycle"
)

// Phase is where a session stands.
type Phase uint8

const (
	// Unknown means that nobody has asked for a token. If there is a store, it was not
	// read yet.
	Unknown Phase = iota
	// Fresh means that the access token is served and nothing is to be done.
	Fresh
	// Ageing means that the access token is served and a refresh is due, or under way, in
	// the background.
	Ageing
	// Expired means that the access token has expired but the session can still be
	// refreshed: callers wait for the refresh.
	Expired
	// Ended means that only a new sign-on helps.
	Ended
)

// String returns the phase in lower case.
func (p Phase) String() string {
	switch p {
	case Unknown:
		return "unknown"
	case Fresh:
		return "fresh"
	case Ageing:
		return "ageing"
	case Expired:
		return "expired"
	case Ended:
		return "ended"
	}
	return "invalid"
}

// Status is a session at one moment. It carries no secret.
type Status struct {
	Phase Phase
	// Reason is why the session cannot be refreshed any more, 0 when it can.
	// With phase Ageing the access token is served to its end all the same.
	Reason Reason
	// ClientID and AccountID are the device and the account, where known.
	ClientID, AccountID string
	// IssuedAt is when the current pair was requested. The others are its horizons, zero
	// where unknown or where there is no pair.
	IssuedAt, ExpiresAt, RefreshExpiresAt, FixedExpiresAt time.Time
	// RefreshAt is from when the current pair is due for refresh.
	RefreshAt time.Time
	// Queued says that a refresh, a login or the first load of the store waits at the Gate.
	Queued bool
	// Busy says that a refresh, a login or a load of the store is under way.
	Busy bool
	// Unsaved says that the store does not have what is in memory.
	Unsaved bool
	// Err is what the last attempt failed with, and NextAt when the next one is due. Both
	// are zero when none has failed since the last success.
	Err    error
	NextAt time.Time
	// Generation counts the pairs that were stored.
	Generation int64

	// The following is what the store says of the current pair as it was last read or
	// saved. It is for a process that only looks at the session, by [Source.Sync].

	// AttemptAt is when another process began to refresh the pair, if it has not finished.
	// Either that process is at work, or it has died and the outcome is unknown.
	AttemptAt time.Time
	// RejectedAt is when the gateway rejected the refresh token, in this process or another.
	// The rejection does not end the session of a process that has not seen it, which would
	// ask the gateway once more, so that the Phase does not show it.
	RejectedAt time.Time
	// SignOutPending says that the gateway was not told of a sign-out yet.
	SignOutPending bool
}

// Status tells where the session stands. It does not wait, and calls neither the
// gateway nor the store.
func (s *Source) Status() Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.cfg.clock.Now()
	around := s.surroundingsLocked()
	around.WithoutReread = true // an end takes effect without another look at the store
	if !s.closed && lifecycle.Decide(&s.state, around, now).HasNews(&s.state) {
		s.applyLocked(lifecycle.TimePassed{Surroundings: around}, now)
		s.dispatchSoonLocked(background())
	}
	return s.statusLocked(now)
}

func (s *Source) statusLocked(now dualclock.Instant) Status {
	device := s.state.Device()
	st := Status{
		Phase:    Phase(lifecycle.Decide(&s.state, s.surroundingsLocked(), now).Phase),
		ClientID: device.ClientID, AccountID: device.AccountID,
		Queued: s.queuedLocked() != nil, Busy: s.operationLocked() != nil, Unsaved: s.state.Pending() != lifecycle.SaveNothing, Generation: s.state.Generation(),
	}
	if end := s.state.End(); end != nil {
		st.Reason = Reason(end.Reason)
	}
	if failed := s.state.LastFailure(); failed != nil {
		st.Err, st.NextAt = failed.Err, failed.NextAt
	}
	if p := s.state.Pair(); p != nil {
		st.IssuedAt, st.ExpiresAt = p.IssuedAt(), p.ExpiresAt()
		st.RefreshExpiresAt, st.FixedExpiresAt = p.RefreshExpiresAt(), p.FixedExpiresAt()
		if at := p.RefreshAt(); at.Known() {
			st.RefreshAt = at.Wall.Time(now.Wall)
		}
	}
	if s.shared != nil {
		s.addMarks(&st)
	}
	return st
}

// addMarks fills in what the store says.
func (s *Source) addMarks(st *Status) {
	st.SignOutPending = len(s.shared.PendingSignOuts()) > 0
	if seen := s.shared.Seen(); st.Generation > 0 && seen.Generation == st.Generation {
		st.AttemptAt, st.RejectedAt = seen.AttemptAt, seen.RejectedAt
	}
}
