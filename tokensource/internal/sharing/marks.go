package sharing

import (
	"time"

	"github.com/agsauth/agsauth/tokensource/internal/dualclock"
)

// Marks are what a record tells of its pair besides the tokens, and what a participant
// that only looks cannot find out by itself.
type Marks struct {
	Generation int64
	AttemptAt  time.Time // of an attempt to refresh that is not ours and not finished; zero if there is none
	RejectedAt time.Time // zero if the gateway has not rejected the refresh token
}

// marksOf returns the marks of a record, nil if it has none besides its generation.
func marksOf(rec *Record) *Marks {
	if rec == nil || rec.AttemptAt.IsZero() && rec.RejectedAt.IsZero() {
		return nil
	}
	return &Marks{rec.Generation, rec.AttemptAt, rec.RejectedAt}
}

// stampOf returns an instant as it is kept; zero for none.
func stampOf(t time.Time) dualclock.UnixNano {
	if t.IsZero() {
		return 0
	}
	return dualclock.UnixNanoOf(t)
}

// Seen returns the marks of the record that was loaded or saved last.
func (p *Protocol) Seen() Marks {
	p.mu.Lock()
	defer p.mu.Unlock()
	seen := p.foundLocked().marks
	if seen == nil {
		return Marks{Generation: p.generation}
	}
	m := *seen
	if stampOf(m.AttemptAt) == p.attemptAt {
		m.AttemptAt = time.Time{}
	}
	return m
}
