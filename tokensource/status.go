package tokensource

import (
	"time"

	"github.com/agsauth/agsauth/tokensource/internal/dualclock"
)

// Status is a session at one moment. It carries no secret.
type Status struct {
	Phase Phase
	// Reason is why the session cannot be refreshed any more, 0 when it can.
	// With phase Ageing the access token is served to its end all the same.
	Reason Reason
	// ClientID and AccountID are the device and the account, where known.
	ClientID, AccountID string
	// IssuedAt is when the current pair was asked for; the others are its
	// horizons, zero where unknown or where there is no pair.
	IssuedAt, ExpiresAt, RefreshExpiresAt, FixedExpiresAt time.Time
	// RefreshAt is from when the current pair is due for refresh.
	RefreshAt time.Time
	// Busy says that a refresh, a login or a look at the store is under way.
	Busy bool
	// Unsaved says that the store does not have what is in memory.
	Unsaved bool
	// Err is what the last attempt failed with, and NextAt when the next one is
	// due; both are zero when none has failed since the last success.
	Err    error
	NextAt time.Time
	// Generation counts the pairs that were stored.
	Generation int64
}

// Status tells where the session stands. It does not wait, and calls neither the
// gateway nor the store.
func (s *Source) Status() Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.watch.Now()
	if !s.closed {
		v := s.viewLocked()
		v.rereadAt = dualclock.Never() // Status does not read the store, so it does not wait for that
		if d := decide(&v, now); !v.unread {
			s.noticeLocked(d, now)
			s.deliverSoonLocked(background())
		}
	}
	return s.statusLocked(now)
}

func (s *Source) statusLocked(now dualclock.Instant) Status {
	v := s.viewLocked()
	st := Status{
		Phase: decide(&v, now).phase, Reason: v.ended,
		ClientID: s.device.clientID, AccountID: s.device.accountID,
		Busy: v.flying, Unsaved: v.unsaved,
	}
	if failed := s.lastFailureLocked(); failed != nil {
		st.Err, st.NextAt = failed.err, failed.nextAt
	}
	if s.ledger != nil {
		st.Generation = s.ledger.generation
	}
	if s.session != nil {
		t := s.session.token
		st.IssuedAt, st.ExpiresAt = t.IssuedAt, t.ExpiresAt
		st.RefreshExpiresAt, st.FixedExpiresAt = t.RefreshExpiresAt, t.FixedExpiresAt
		if v.due.refreshAt.Known() {
			st.RefreshAt = v.due.refreshAt.Wall.Time(now.Wall)
		}
	}
	return st
}
