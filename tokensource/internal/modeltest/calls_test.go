package modeltest_test

import (
	"context"
	"errors"
	"time"

	"github.com/agsauth/agsauth/tokensource"
)

// caller is somebody who asks for a token.
type caller struct {
	p         *proc
	begun     time.Duration
	limit     time.Duration // 0 is none
	cancel    context.CancelCauseFunc
	cancelled bool
	done      bool
	revived   bool          // the clock was set while it waited, perhaps to when there was a live token
	since     time.Duration // when a login was last under way, which may take as long as it likes
}

// call is any other call of a Source that may wait.
type call struct {
	p         *proc
	name      string
	wish      int // the number of the process's last
	begun     time.Duration
	cancel    context.CancelCauseFunc
	cancelled bool
	done      bool
	err       error
}

// ask has n callers ask for a token, who wait for limit at most. A negative one is
// of those who have left already.
func (w *world) ask(p *proc, n int, limit time.Duration) {
	if p == nil {
		return
	}
	for range n {
		ctx, cancel := p.context()
		c := &caller{p: p, begun: w.fake.Elapsed(), limit: limit, cancel: cancel}
		w.mu.Lock()
		w.callers = append(w.callers, c)
		w.mu.Unlock()
		go func() {
			t, err := p.src.TokenContext(ctx)
			w.mu.Lock()
			defer w.mu.Unlock()
			c.done = true
			cancel(nil)
			if err != nil {
				p.refusedLocked(c, err)
				return
			}
			p.servedLocked(t)
		}()
	}
}

// waiting returns those who wait for a token.
func (w *world) waiting() []*caller {
	w.mu.Lock()
	defer w.mu.Unlock()
	var waiting []*caller
	for _, c := range w.callers {
		if !c.done {
			waiting = append(waiting, c)
		}
	}
	w.callers = waiting
	return append([]*caller(nil), waiting...)
}

func (w *world) cancel(c *caller) {
	w.mu.Lock()
	c.cancelled = true
	w.mu.Unlock()
	c.cancel(errLeft)
}

// leave has the caller leave who has waited longest.
func (w *world) leave(p *proc) {
	for _, c := range w.waiting() {
		if c.p == p && !c.cancelled {
			w.cancel(c)
			return
		}
	}
}

// begin makes a call that may wait.
func (w *world) begin(p *proc, name string, do func(context.Context) error) {
	ctx, cancel := p.context()
	w.mu.Lock()
	c := &call{p: p, name: name, begun: w.fake.Elapsed(), cancel: cancel, wish: p.wish.n}
	w.calls = append(w.calls, c)
	w.mu.Unlock()
	go func() {
		err := do(ctx)
		w.mu.Lock()
		defer w.mu.Unlock()
		c.done, c.err = true, err
		cancel(nil)
		w.printedLocked(err)
		w.sayLocked("  %s: %s: %v", p.name, name, err)
		p.cameLocked(c)
	}()
}

func (w *world) setToken(p *proc) {
	w.mu.Lock()
	first, t := w.gw.signOnLocked(p, "PUB_1")
	p.arrivedLocked(first, t, arrival{at: p.moment(), stored: true})
	p.wish = wish{account: first.account, token: t, unsaved: p.shelf != nil, n: p.wish.n + 1}
	p.deleted, p.client = false, "PUB_1"
	w.sayLocked("  %s", first)
	w.mu.Unlock()
	w.begin(p, "set token", func(ctx context.Context) error { return p.src.SetToken(ctx, t) })
}

func (w *world) signOut(p *proc) {
	w.mu.Lock()
	p.wish = wish{signOut: true, unsaved: p.shelf != nil, n: p.wish.n + 1}
	p.leaves = true
	if p.current != nil {
		p.gone[p.current.account] = true
	}
	w.mu.Unlock()
	w.begin(p, "sign out", p.src.SignOut)
}

func (w *world) sync(p *proc) { w.begin(p, "sync", p.src.Sync) }

func (w *world) run(p *proc) {
	w.mu.Lock()
	running := p.running
	p.running = true
	w.mu.Unlock()
	name := "run"
	if running {
		name = "another run"
	}
	w.begin(p, name, p.src.Run)
}

// breakOff ends the longest call of a process, which may be its Run.
func (w *world) breakOff(p *proc) {
	w.mu.Lock()
	var found *call
	for _, c := range w.calls {
		if c.p == p && !c.done && !c.cancelled && c.name != "close" {
			found = c
			break
		}
	}
	if found != nil {
		found.cancelled = true
	}
	w.mu.Unlock()
	if found != nil {
		found.cancel(errLeft)
	}
}

func (w *world) invalidate(p *proc, now bool) {
	w.mu.Lock()
	pr := p.current
	if !now {
		pr = nil
		for of := range p.answered {
			if of != p.current && (pr == nil || of.n < pr.n) {
				pr = of
			}
		}
	}
	if pr == nil {
		w.mu.Unlock()
		return
	}
	if now {
		// The first one of all is followed for sure, where a refresh can be made.
		p.shunned = nil
		first := len(p.rejections) == 0 && !p.failure.next.known && p.brief != pr && p.ended == 0 && !p.engagedLocked()
		if first && (p.shelf == nil || p.shelf.clean && p.shelf.troubled == 0) && p.allLocked(pr, func(b *belief) bool { return b.refreshable }) {
			p.shunned = pr
		}
		p.invalidated[pr], p.rejections[pr] = true, append(p.rejections[pr], p.moment())
	}
	w.mu.Unlock()
	p.src.Invalidate(pr.access)
}

func (w *world) status(p *proc) {
	st := p.src.Status()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.printedLocked(st)
	if n := p.host.set(p); !st.Busy && !p.engagedLocked() && (n > 1 || n > 0 && !p.running) {
		w.failLocked("12: %s: %d timers at rest", p.name, n)
	}
	w.sayLocked("  %s: %s %v, busy %t, unsaved %t", p.name, st.Phase, st.Reason, st.Busy, st.Unsaved)
}

// close ends a process: in good order, or at once, with all that it does lost.
func (w *world) close(p *proc, crash bool) {
	for i := range w.procs {
		if w.procs[i] == p {
			w.procs[i] = nil
		}
	}
	w.past = append(w.past, p)
	w.mu.Lock()
	p.closing, p.crashed = true, crash
	if crash && p.shelf != nil {
		for h := range p.shelf.taken {
			p.shelf.giveBackLocked(h)
		}
	}
	w.mu.Unlock()
	w.begin(p, "close", func(context.Context) error { return p.src.Close() })
}

// cameLocked checks what a call came to.
func (p *proc) cameLocked(c *call) {
	w := p.w
	switch {
	case p.crashed:
	case c.name == "close":
		p.closed = c.err == nil // or what is left ends by itself
		if n := p.host.set(p); n > 0 && c.err == nil {
			w.failLocked("12: %s: %d timers outlive Close", p.name, n)
		}
		if p.shelf != nil && p.shelf.hold != nil && !p.shelf.hold.givingBack && c.err == nil && len(p.shelf.calls) == 0 {
			w.failLocked("12: %s: the lock outlives Close", p.name)
		}
	case c.cancelled || c.err == nil:
	case errors.Is(c.err, errLeft), errors.Is(c.err, tokensource.ErrClosed) && !p.closing:
		w.failLocked("4: %s: %s: %v", p.name, c.name, c.err)
	}
	if c.name == "run" {
		p.running = false
	}
	if c.name == "run" && c.err == nil {
		w.failLocked("12: %s: Run has ended with no error", p.name)
	}
	if c.name == "another run" && p.running && c.err == nil {
		w.failLocked("3: %s: two Runs at once", p.name)
	}
	if c.name == "sign out" && c.err == nil && p.wish.signOut && p.wish.unsaved && c.wish == p.wish.n {
		w.failLocked("5: %s: a sign-out was stored nowhere, and nobody is told", p.name)
	}
}
