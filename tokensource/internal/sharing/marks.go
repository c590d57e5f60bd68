package sharing

import "time"

// Marks are what a record tells of its pair besides the tokens, and what a participant
// that only looks cannot find out by itself.
type Marks struct {
	Generation int64
	AttemptAt  time.Time // of an attempt to refresh that is not ours and not finished; zero if there is none
	RejectedAt time.Time // zero if the gateway has not rejected the refresh token
}

func marksOf(rec *Record) Marks {
	if rec == nil {
		return Marks{}
	}
	return Marks{Generation: rec.Generation, AttemptAt: rec.AttemptAt, RejectedAt: rec.RejectedAt}
}

// Seen returns the marks of the record that was loaded or saved last.
func (p *Protocol) Seen() Marks {
	p.mu.Lock()
	defer p.mu.Unlock()
	m := p.seen
	if m.AttemptAt.Equal(p.attemptAt) {
		m.AttemptAt = time.Time{}
	}
	return m
}
