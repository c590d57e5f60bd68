package demo

import (
	"context"
	"sync"
	"time"
)

// facts are what has happened so far.
type facts struct {
	calls     int // of the gateway
	refreshes int // granted
	refused   int // calls for a refresh that failed, as the Source saw it
	lost      int // answers to such calls that were lost
	// pairsAtLoss is how many pairs had been granted when the last of them was lost.
	pairsAtLoss int
	logins      int  // sign-ons granted, the first included
	announced   bool // the end of the first session, ahead of time
	ended       bool // a session ended before there was another
	// meddled says that something was done by hand since a pair was granted that
	// could be used.
	meddled bool
	// wanting says that requests have failed by hand since then.
	wanting   bool
	weather   Weather // of the story's making
	rejecting int     // tokens that the API rejects and that are still in hand

	goodUntil time.Time // the end of the token in hand
	endsAt    time.Time // the end of the first session
}

// pairs is how many pairs of tokens were granted.
func (f *facts) pairs() int { return f.refreshes + f.logins }

// granted takes down a new pair. With one that is good, faults by hand are over.
func (f *facts) granted(good bool) {
	f.meddled, f.wanting = f.meddled && !good, f.wanting && !good
}

// chronicle knows what has happened, tells of it, and lets the story wait for it.
// It is written to by the workers, by the Source and by its calls of the gateway.
type chronicle struct {
	clock  *lidClock
	ledger *ledger

	telling  sync.Mutex // held while tell runs: moments are told one at a time, in order
	tell     func(Moment)
	silenced bool // guarded by telling

	mu      sync.Mutex // guards all below; never held while tell runs
	facts   facts
	changed chan struct{} // closed, and replaced, when the facts change
	effort  *effort       // what is being asked of the gateway, nil when nothing is
}

// effort is all that it takes to get a new pair of tokens: the calls that fail,
// and the one that does not.
type effort struct {
	since time.Time
	calls int
	mark  mark // how far the workers were when it began
	// failed is how many requests had failed by then.
	failed int
}

func newChronicle(c *lidClock, l *ledger, tell func(Moment)) *chronicle {
	return &chronicle{clock: c, ledger: l, tell: tell, changed: make(chan struct{})}
}

// say tells of a moment, which is now.
func (c *chronicle) say(m Moment) {
	c.telling.Lock()
	defer c.telling.Unlock()
	if c.silenced {
		return
	}
	m.At = c.clock.Elapsed()
	c.tell(m)
}

// silence ends the telling: what comes now is only how the stage is cleared.
func (c *chronicle) silence() {
	c.telling.Lock()
	defer c.telling.Unlock()
	c.silenced = true
}

// note changes the facts. What is both told and noted is told first, so that
// what the story does about it is told after it.
func (c *chronicle) note(change func(*facts)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	change(&c.facts)
	close(c.changed)
	c.changed = make(chan struct{})
}

// known returns the facts as they are.
func (c *chronicle) known() facts {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.facts
}

// next returns a channel that is closed when the facts change.
func (c *chronicle) next() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.changed
}

// firstByHand reports whether no request has failed by hand since there was a
// good token, until now.
func (c *chronicle) firstByHand() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	first := !c.facts.wanting
	c.facts.wanting = true
	return first
}

// until waits until the facts are as wanted. The error is the cause of ctx's end.
func (c *chronicle) until(ctx context.Context, wanted func(facts) bool) error {
	for {
		c.mu.Lock()
		done, changed := wanted(c.facts), c.changed
		c.mu.Unlock()
		if done {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// called takes down that the gateway is being called.
func (c *chronicle) called() {
	m, sums := c.ledger.mark(), c.ledger.sums()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.facts.calls++
	if c.effort == nil {
		c.effort = &effort{since: time.Now(), mark: m, failed: sums.failed}
	}
	c.effort.calls++
}

// succeeded ends an effort, and returns the moment of it, but for its kind.
func (c *chronicle) succeeded() Moment {
	c.mu.Lock()
	e := c.effort
	c.effort = nil
	c.mu.Unlock()
	if e == nil {
		return Moment{}
	}
	served, slowest := c.ledger.since(e.mark)
	failed := c.ledger.sums().failed - e.failed
	return Moment{Took: time.Since(e.since), Calls: e.calls, Served: served, Failed: failed, Slowest: slowest}
}
