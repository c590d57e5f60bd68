package modeltest_test

import (
	"context"
	"errors"
	"time"

	"github.com/agsauth/agsauth/tokensource"
)

// caller is a call for a token.
type caller struct {
	p           *process
	begun       time.Duration
	limit       time.Duration // 0 for none
	span        time.Duration // the validity that it asks for; 0 for none
	cancel      context.CancelCauseFunc
	cancelled   bool
	done        bool
	doneAt      time.Duration
	clockJumped bool          // during its wait, perhaps to when a token was live
	restartedAt time.Duration // the end of the last login, whose duration is unlimited
}

// call is another call of a Source that may wait.
type call struct {
	p         *process
	name      string
	action    int // the number of the last userAction
	begun     time.Duration
	cancel    context.CancelCauseFunc
	cancelled bool
	done      bool
	err       error
}

// ask starts n callers that wait for limit at most. A negative limit has passed already.
func (m *model) ask(p *process, n int, limit time.Duration) { m.askFor(p, n, limit, 0) }

// askFor is ask for a token that is valid for span.
func (m *model) askFor(p *process, n int, limit, span time.Duration) {
	if p == nil {
		return
	}
	for range n {
		ctx, cancel := p.context()
		c := &caller{p: p, begun: m.fake.Elapsed(), limit: limit, span: span, cancel: cancel}
		m.mu.Lock()
		m.callers = append(m.callers, c)
		if span > 0 {
			p.asked = append(p.asked, c)
		}
		m.mu.Unlock()
		go func() {
			t, err := p.src.TokenValidFor(ctx, span)
			m.mu.Lock()
			defer m.mu.Unlock()
			c.done, c.doneAt = true, m.fake.Elapsed()
			cancel(nil)
			if err != nil {
				p.refusedLocked(c, err)
				return
			}
			p.servedLocked(t)
			c.servedValidLocked(t)
		}()
	}
}

// waiting returns the callers that wait.
func (m *model) waiting() []*caller {
	m.mu.Lock()
	defer m.mu.Unlock()
	var waiting []*caller
	for _, c := range m.callers {
		if !c.done {
			waiting = append(waiting, c)
		}
	}
	m.callers = waiting
	return append([]*caller(nil), waiting...)
}

func (m *model) cancel(c *caller) {
	m.mu.Lock()
	c.cancelled = true
	m.mu.Unlock()
	c.cancel(errLeft)
}

// leave cancels the caller that has waited longest.
func (m *model) leave(p *process) {
	for _, c := range m.waiting() {
		if c.p == p && !c.cancelled {
			m.cancel(c)
			return
		}
	}
}

// startCall starts a call that may wait.
func (m *model) startCall(p *process, name string, do func(context.Context) error) {
	ctx, cancel := p.context()
	m.mu.Lock()
	c := &call{p: p, name: name, begun: m.fake.Elapsed(), cancel: cancel, action: p.lastAction.n}
	m.calls = append(m.calls, c)
	m.mu.Unlock()
	go func() {
		err := do(ctx)
		m.mu.Lock()
		defer m.mu.Unlock()
		c.done, c.err = true, err
		cancel(nil)
		m.printedLocked(err)
		m.logLocked("  %s: %s: %v", p.name, name, err)
		p.returnedLocked(c)
	}()
}

func (m *model) setToken(p *process) {
	m.mu.Lock()
	first, t := m.gw.signOnLocked(p, "PUB_1")
	p.obtainedLocked(first, t, origin{at: p.now(), stored: true})
	p.lastAction = userAction{session: first.session, token: t, unsaved: p.store != nil, n: p.lastAction.n + 1}
	p.deleted, p.client = false, "PUB_1"
	m.logLocked("  %s", first)
	m.mu.Unlock()
	m.startCall(p, "set token", func(ctx context.Context) error { return p.src.SetToken(ctx, t) })
}

func (m *model) signOut(p *process) {
	m.mu.Lock()
	p.lastAction = userAction{signOut: true, unsaved: p.store != nil, n: p.lastAction.n + 1}
	p.hasSignedOut = true
	if p.current != nil {
		p.signedOut[p.current.session] = true
	}
	m.mu.Unlock()
	m.startCall(p, "sign out", p.src.SignOut)
}

func (m *model) sync(p *process) { m.startCall(p, "sync", p.src.Sync) }

func (m *model) run(p *process) {
	m.mu.Lock()
	running := p.running
	p.running = true
	m.mu.Unlock()
	name := "run"
	if running {
		name = "another run"
	}
	m.startCall(p, name, p.src.Run)
}

// cancelCall cancels the longest call of a process, which may be its Run.
func (m *model) cancelCall(p *process) {
	m.mu.Lock()
	var found *call
	for _, c := range m.calls {
		if c.p == p && !c.done && !c.cancelled && c.name != "close" {
			found = c
			break
		}
	}
	if found != nil {
		found.cancelled = true
	}
	m.mu.Unlock()
	if found != nil {
		found.cancel(errLeft)
	}
}

func (m *model) invalidate(p *process, now bool) {
	m.mu.Lock()
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
		m.mu.Unlock()
		return
	}
	if now {
		// The first Invalidate causes a refresh for certain, if one can be made.
		p.mustNotServe = nil
		first := len(p.rejections) == 0 && !p.failure.next.known && p.shortLived != pr && p.ended == 0 && !p.busyLocked()
		if first && (p.store == nil || p.store.clean && p.store.failingSince == 0) && p.allLocked(pr, func(b *belief) bool { return b.refreshable }) {
			p.mustNotServe = pr
		}
		p.invalidated[pr], p.rejections[pr] = true, append(p.rejections[pr], p.now())
	}
	m.mu.Unlock()
	p.src.Invalidate(pr.access)
}

func (m *model) status(p *process) {
	st := p.src.Status()
	m.mu.Lock()
	defer m.mu.Unlock()
	m.printedLocked(st)
	if n := p.host.set(p); !st.Busy && !p.busyLocked() && (n > 1 || n > 0 && !p.running) {
		m.failLocked("12: %s: %d timers while idle", p.name, n)
	}
	m.logLocked("  %s: %s %v, busy %t, unsaved %t", p.name, st.Phase, st.Reason, st.Busy, st.Unsaved)
}

// close ends a process with Close, or in a crash that loses its calls in flight.
func (m *model) close(p *process, crash bool) {
	for i := range m.procs {
		if m.procs[i] == p {
			m.procs[i] = nil
		}
	}
	m.past = append(m.past, p)
	m.mu.Lock()
	p.closing, p.crashed = true, crash
	if crash && p.store != nil {
		for h := range p.store.taken {
			p.store.releaseLocked(h)
		}
	}
	m.mu.Unlock()
	m.startCall(p, "close", func(context.Context) error { return p.src.Close() })
}

// returnedLocked checks the result of a call.
func (p *process) returnedLocked(c *call) {
	m := p.model
	switch {
	case p.crashed:
	case c.name == "close":
		p.closed = c.err == nil // otherwise a call in flight ends later
		if n := p.host.set(p); n > 0 && c.err == nil {
			m.failLocked("12: %s: %d timers outlive Close", p.name, n)
		}
		if p.store != nil && p.store.held != nil && !p.store.held.releasing && c.err == nil && len(p.store.calls) == 0 {
			m.failLocked("12: %s: the lock outlives Close", p.name)
		}
	case c.cancelled || c.err == nil:
	case errors.Is(c.err, errLeft), errors.Is(c.err, tokensource.ErrClosed) && !p.closing:
		m.failLocked("4: %s: %s: %v", p.name, c.name, c.err)
	}
	if c.name == "run" {
		p.running = false
	}
	if c.name == "run" && c.err == nil {
		m.failLocked("12: %s: Run has ended with no error", p.name)
	}
	if c.name == "another run" && p.running && c.err == nil {
		m.failLocked("3: %s: two Runs at once", p.name)
	}
	if c.name == "sign out" && c.err == nil && p.lastAction.signOut && p.lastAction.unsaved && c.action == p.lastAction.n {
		m.failLocked("5: %s: a sign-out was not saved, and returned no error", p.name)
	}
}
