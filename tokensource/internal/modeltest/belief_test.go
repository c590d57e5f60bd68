package modeltest_test

import (
	"slices"
	"time"

	"github.com/agsauth/agsauth/ags"
	"github.com/agsauth/agsauth/tokensource"
)

// instant is one instant on both clocks of a process.
type instant struct {
	wall time.Time
	mono time.Duration
}

// deadline is an instant that may be unknown. An unknown deadline never passes.
type deadline struct {
	instant
	known bool
}

func (d deadline) on(m instant) (wall, mono bool) {
	return d.known && !m.wall.Before(d.wall), d.known && m.mono >= d.mono
}

func (d deadline) either(m instant) bool { wall, mono := d.on(m); return wall || mono }
func (d deadline) both(m instant) bool   { wall, mono := d.on(m); return wall && mono }

func (d deadline) add(by time.Duration) deadline {
	d.wall, d.mono = d.wall.Add(by), d.mono+by
	return d
}

func earlier(a, b deadline) deadline {
	switch {
	case !a.known:
		return b
	case !b.known:
		return a
	}
	if b.wall.Before(a.wall) {
		a.wall = b.wall
	}
	a.mono = min(a.mono, b.mono)
	return a
}

// origin is how a process obtained a pair.
type origin struct {
	at            instant // of the request if it was granted, else of the arrival
	stored        bool    // loaded, adopted or set
	refreshedFrom *belief // nil if it was not refreshed
}

// belief is what a process may believe of a pair of one origin. It is derived from the
// documentation, not from the code.
type belief struct {
	pair                               *pair
	origin                             origin
	life                               time.Duration // 0 if no expiry is known
	accessLife                         time.Duration // 0 if its expiry is not known
	access, serveUntil, refresh, fixed deadline
	first                              deadline // the earliest expiry
	refreshExtends                     bool     // a refresh can extend the session
	issuedInFuture                     bool     // by the clock of the process
	refreshBefore                      time.Duration
	refreshable                        bool
}

func (m *model) newBelief(pr *pair, t *ags.Token, a origin) *belief {
	b := &belief{
		pair: pr, origin: a, refreshBefore: m.settings.refreshBefore,
		issuedInFuture: a.stored && t.IssuedAt.Sub(a.at.wall) > time.Minute, refreshable: !t.RefreshToken.IsZero() || a.refreshedFrom != nil,
	}
	if !t.ExpiresAt.IsZero() {
		b.accessLife = t.ExpiresAt.Sub(t.IssuedAt)
	}
	deadlineAt := func(at time.Time) deadline {
		if at.IsZero() {
			return deadline{}
		}
		left := at.Sub(t.IssuedAt)
		if a.stored {
			left = min(left, at.Sub(a.at.wall))
		}
		return deadline{instant{at, a.at.mono + left}, true}
	}
	b.access, b.refresh, b.fixed = deadlineAt(t.ExpiresAt), deadlineAt(t.RefreshExpiresAt), deadlineAt(t.FixedExpiresAt)
	if f := a.refreshedFrom; f != nil {
		b.fixed = b.fixedAfter(f.fixed, m.settings.claims && b.fixed.known)
		if t.RefreshToken.IsZero() && !b.refresh.known && !f.refresh.either(a.at) && f.refresh.known {
			b.refresh = deadlineAt(f.refresh.wall)
		}
	}
	b.serveUntil = b.access.add(-min(time.Second, max(0, t.ExpiresAt.Sub(t.IssuedAt))/10))
	b.serveUntil = earlier(b.serveUntil, b.fixed)
	b.first = earlier(earlier(b.access, b.refresh), b.fixed)
	if b.first.known {
		b.life = max(0, b.first.wall.Sub(t.IssuedAt))
	}
	b.refreshExtends = true
	if end := b.access; b.fixed.known {
		if !end.known {
			end = b.refresh
		}
		b.refreshExtends = end.known && b.fixed.wall.Sub(end.wall) > max(b.life/100, min(2*time.Second, b.life/5))
	}
	return b
}

// fixedAfter is the fixed expiry after a refresh: the claim of the tokens, or the
// earliest so far. If that has passed on a clock, the grant has proved it wrong, and the
// new one counts.
func (b *belief) fixedAfter(former deadline, claimed bool) deadline {
	at := b.origin.at
	wall, mono := former.on(at)
	switch {
	case !former.known, (wall || mono) && b.fixed.known, wall:
		return b.fixed
	case mono:
		former.mono = at.mono + former.wall.Sub(at.wall)
		return former
	case !b.fixed.known, b.fixed.wall.Sub(former.wall).Abs() < time.Minute:
		return former
	case claimed:
		return b.fixed
	default:
		return earlier(former, b.fixed)
	}
}

// due is when the refresh of the pair is due; draw, from 0 to 1, varies the margin.
func (b *belief) due(draw float64) deadline {
	if !b.first.known {
		return deadline{}
	}
	margin := b.refreshBefore
	if margin == 0 {
		margin = min(max(b.life/10, 10*time.Second), 5*time.Minute)
	}
	margin = min(margin, b.life/2)
	d := b.first.add(-margin - time.Duration(float64(margin)*draw/5))
	if spaced := b.earliestRefresh(); !b.origin.stored {
		if spaced.wall.After(d.wall) {
			d.wall = spaced.wall
		}
		d.mono = max(d.mono, spaced.mono)
	}
	return d
}

// earliestRefresh is when a granted pair may be refreshed at the earliest.
func (b *belief) earliestRefresh() deadline {
	return deadline{b.origin.at, true}.add(max(250*time.Millisecond, b.life/4))
}

// expired reports whether time alone has ended the session by this belief.
func (b *belief) expired(at instant) bool {
	return b.fixed.both(at) || b.refresh.both(at) || !b.refreshable && b.serveUntil.either(at) || !b.refreshExtends && b.serveUntil.both(at)
}

// obtainedLocked records that the process obtained a pair. The current pair changes
// nothing, unless the session was signed out.
func (p *process) obtainedLocked(pr *pair, t *ags.Token, a origin) {
	if p.current == pr && p.ended != tokensource.SignedOut {
		return
	}
	p.beliefs[pr] = append(p.beliefs[pr], p.model.newBelief(pr, t, a))
}

// becameCurrentLocked records the current pair of the process.
func (p *process) becameCurrentLocked(pr *pair) {
	if pr != nil && p.current != pr {
		p.current, p.wasCurrent[pr], p.currentSince = pr, true, p.model.fake.Elapsed()
	}
}

// anyLocked reports whether a condition holds by some belief of a pair.
func (p *process) anyLocked(pr *pair, is func(*belief) bool) bool {
	return slices.ContainsFunc(p.beliefs[pr], is)
}

// allLocked reports whether a condition holds by all beliefs of a pair.
func (p *process) allLocked(pr *pair, is func(*belief) bool) bool {
	return len(p.beliefs[pr]) > 0 && !p.anyLocked(pr, func(b *belief) bool { return !is(b) })
}

// untilDeadline is the time until a clock of the process reaches a deadline of its pair,
// or its next attempt when of is nil.
func (m *model) untilDeadline(p *process, of func(*belief) deadline) (time.Duration, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now, d := p.now(), p.failure.next
	if of != nil {
		all := p.beliefs[p.current]
		if len(all) == 0 {
			return 0, false
		}
		d = of(all[len(all)-1])
	}
	return min(d.wall.Sub(now.wall), d.mono-now.mono), d.known
}
