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

	goodUntil time.Time // the end of the token in hand
	endsAt    time.Time // the end of the first session
}

// pairs is how many pairs of tokens were granted.
func (f *facts) pairs() int { return f.refreshes + f.logins }

// chronicle knows what has happened, tells of it, and lets the story wait for it.
// It is written to by the workers, by the Source and by its calls of the gateway.
type chronicle struct {
	began  time.Time
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
}

func newChronicle(l *ledger, tell func(Moment)) *chronicle {
	return &chronicle{began: time.Now(), ledger: l, tell: tell, changed: make(chan struct{})}
}

// say tells of a moment, which is now.
func (c *chronicle) say(m Moment) {
	c.telling.Lock()
	defer c.telling.Unlock()
	if c.silenced {
		return
	}
	m.At = time.Since(c.began)
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
	m := c.ledger.mark()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.facts.calls++
	if c.effort == nil {
		c.effort = &effort{since: time.Now(), mark: m}
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
	return Moment{Took: time.Since(e.since), Calls: e.calls, Served: served, Slowest: slowest}
}
