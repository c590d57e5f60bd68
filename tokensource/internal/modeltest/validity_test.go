package modeltest_test

import (
	"fmt"
	"slices"
	"time"

	"golang.org/x/oauth2"
)

// drawValidity draws callers that ask for a token that is valid for a part of a token's life,
// or for more than that.
func drawValidity(a drawArgs) (string, func(*model)) {
	index, n, limit := a.process(), 1+a.n(3), a.span(0, 0, 0, 5*time.Second)
	life := a.settings.access
	if life == 0 {
		life = time.Hour
	}
	span := a.span(life/10, life/2, life*4/5, life-life/10, life*99/100, 2*life)
	return fmt.Sprintf("%c: %d, for %s, valid for %s", 'A'+index, n, limit, span), func(m *model) { m.askFor(m.procs[index], n, limit, span) }
}

// isValidLocked reports whether a pair is valid for what a caller asks for, by a belief or by
// all.
func (c *caller) isValidLocked(pr *pair, quantify func(*process, *pair, func(*belief) bool) bool) bool {
	now := c.p.now()
	return quantify(c.p, pr, func(b *belief) bool { return !b.serveUntil.add(1 - c.span).either(now) })
}

// servableLocked reports whether the caller must be served the current token.
func (c *caller) servableLocked() bool {
	return c.p.servableLocked() && (c.span == 0 || c.isValidLocked(c.p.current, (*process).allLocked))
}

// servedValidLocked checks that a token is valid for what the caller has asked for.
func (c *caller) servedValidLocked(t *oauth2.Token) {
	m, pr := c.p.model, c.p.model.gw.pairs[t.AccessToken]
	if !c.p.crashed && c.span > 0 && pr != nil && !c.isValidLocked(pr, (*process).anyLocked) {
		m.failLocked("8: %s: %s is served, and is not valid for %s", c.p.name, pr, c.span)
	}
}

// unreachableLocked checks that no refresh could bring what the caller asked for.
func (c *caller) unreachableLocked() {
	p, m, now := c.p, c.p.model, c.p.now()
	switch {
	case c.span == 0:
		m.failLocked("8: %s: a caller that asked for no validity gets a ValidityError", p.name)
	case c.servableLocked():
		m.failLocked("2: %s: a caller gets a ValidityError although %s is valid for %s", p.name, p.current, c.span)
	case !p.anyLocked(p.current, func(b *belief) bool { return !b.serveUntil.either(now) }):
		m.failLocked("8: %s: a caller gets a ValidityError although %s has expired", p.name, p.current)
	case p.currentSince == now.mono && p.anyLocked(p.current, func(b *belief) bool { return !b.origin.stored && b.origin.at.mono < now.mono }):
		// The refresh has taken so long that its token is not valid for the span.
	case p.allLocked(p.current, func(b *belief) bool { return b.canBeValid(c.span, now) }):
		m.failLocked("8: %s: a caller gets a ValidityError although a refresh of %s gives %s", p.name, p.current, c.span)
	}
}

// canBeValid reports whether a refresh is made for a caller that asks for span: it is
// expected to give as long a life as the pair has had, less the spacing.
func (b *belief) canBeValid(span time.Duration, now instant) bool {
	served := b.accessLife - min(time.Second, b.accessLife/10)
	return b.refreshable && b.refreshExtends && (b.accessLife == 0 || served-b.askSpacing() >= span) && !b.fixed.add(1-span).either(now)
}

// askedLocked reports whether a refresh of a pair is due for a caller that has asked for a
// validity since the pair was obtained.
func (p *process) askedLocked(pr *pair, now instant) bool {
	return slices.ContainsFunc(p.asked, func(c *caller) bool {
		return p.anyLocked(pr, func(b *belief) bool {
			return (!c.done || c.doneAt >= b.origin.at.mono) && b.canBeValid(c.span, now) && b.serveUntil.add(1-c.span).either(now)
		})
	})
}

// earliestAsked is when a granted pair may be refreshed for a caller at the earliest.
func (b *belief) earliestAsked() deadline {
	return deadline{b.origin.at, true}.add(b.askSpacing())
}

func (b *belief) askSpacing() time.Duration {
	return max(250*time.Millisecond, min(10*time.Second, b.life/10))
}
