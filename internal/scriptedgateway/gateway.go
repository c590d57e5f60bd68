// Package scriptedgateway is a fake gateway whose answers a test scripts. The tests of
// tokensource and the runner of the test vectors build on it; the model in
// tokensource/internal/modeltest and package agstest are independent of it.
package scriptedgateway

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/agsauth/agsauth/ags"
	"github.com/agsauth/agsauth/clock"
	"github.com/agsauth/agsauth/tokensource"
)

// Gateway has the operations of a gateway. The tests that embed it decide which
// tokens a refresh or a login is granted.
type Gateway struct {
	Refreshes Endpoint[*ags.Token]
	Logins    Endpoint[*tokensource.LoginRequiredError]
	SignOuts  Endpoint[*ags.Token]
}

// New returns a Gateway that takes time from c.
func New(c *clock.Fake) *Gateway {
	return &Gateway{
		Refreshes: Endpoint[*ags.Token]{op: "refresh", clock: c},
		Logins:    Endpoint[*tokensource.LoginRequiredError]{op: "sign on", clock: c},
		SignOuts:  Endpoint[*ags.Token]{op: "sign out", clock: c},
	}
}

// SignOut answers a sign-out.
func (g *Gateway) SignOut(ctx context.Context, t *ags.Token) error {
	_, err := g.SignOuts.Answer(ctx, t)
	return err
}

// Reply is the answer to a call. The zero Reply succeeds.
type Reply struct {
	Err   error
	Do    func() error  // runs before the call returns; its error takes the place of Err
	Takes time.Duration // how long the answer takes, by the gateway's clock
	Times int           // how many calls are answered so; 0 means 1
	Data  any           // is returned by Answer
}

// Endpoint is one operation of a Gateway, which is called with an In. It is safe for
// concurrent use.
type Endpoint[In any] struct {
	op    string
	clock *clock.Fake

	mu            sync.Mutex // guards all below
	calls         []In
	contexts      []context.Context
	script        []scripted
	always        func(In) error // answers the calls that the script does not
	held          chan struct{}  // closed by Release; nil when calls are not held
	inFlight, max int
}

// scripted is a Reply that was used so many times.
type scripted struct {
	Reply
	used int
}

// Answer records a call, waits for as long as its reply takes, and returns the reply.
func (e *Endpoint[In]) Answer(ctx context.Context, in In) (Reply, error) {
	r, held := e.begin(ctx, in)
	defer e.finish()
	if err := e.wait(ctx, held, r.Takes); err != nil {
		return r, &ags.Error{Op: e.op, Err: err}
	}
	if r.Do != nil {
		if err := r.Do(); err != nil {
			return r, err
		}
	}
	return r, r.Err
}

func (e *Endpoint[In]) begin(ctx context.Context, in In) (Reply, chan struct{}) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.calls, e.contexts = append(e.calls, in), append(e.contexts, ctx)
	e.inFlight++
	e.max = max(e.max, e.inFlight)
	var r Reply
	if len(e.script) > 0 {
		next := &e.script[0]
		next.used++
		r = next.Reply
		if next.used >= max(r.Times, 1) {
			e.script = e.script[1:]
		}
	} else if always := e.always; always != nil {
		r.Do = func() error { return always(in) }
	}
	return r, e.held
}

func (e *Endpoint[In]) finish() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.inFlight--
}

func (e *Endpoint[In]) wait(ctx context.Context, held chan struct{}, takes time.Duration) error {
	if held != nil {
		select {
		case <-held:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	if takes > 0 {
		timer := e.clock.NewTimer(takes)
		defer timer.Stop()
		select {
		case <-timer.C():
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

// Replace replaces the script. It returns how many of the former replies were not used.
func (e *Endpoint[In]) Replace(replies ...Reply) (dropped int) {
	dropped = e.Unused()
	e.mu.Lock()
	e.script = nil
	e.mu.Unlock()
	e.add(replies...)
	return dropped
}

func (e *Endpoint[In]) add(replies ...Reply) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, r := range replies {
		e.script = append(e.script, scripted{Reply: r})
	}
}

// Unused returns how many replies of the script were not used yet.
func (e *Endpoint[In]) Unused() (n int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, s := range e.script {
		if s.used == 0 {
			n++
		}
	}
	return n
}

// Do adds replies to the script, each of which runs a function.
func (e *Endpoint[In]) Do(functions ...func() error) {
	for _, do := range functions {
		e.add(Reply{Do: do})
	}
}

// Fail adds failures to the script; a nil error succeeds.
func (e *Endpoint[In]) Fail(errs ...error) {
	for _, err := range errs {
		e.add(Reply{Err: err})
	}
}

// Always answers the calls that the script does not with what do returns.
func (e *Endpoint[In]) Always(do func(In) error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.always = do
}

// FailAlways fails the calls that the script does not answer, until it is called with nil.
func (e *Endpoint[In]) FailAlways(err error) {
	e.Always(func(In) error { return err })
}

// Hold makes the calls that begin from now on wait for Release.
func (e *Endpoint[In]) Hold() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.held = make(chan struct{})
}

// Release ends a Hold. Without one it does nothing.
func (e *Endpoint[In]) Release() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.held != nil {
		close(e.held)
		e.held = nil
	}
}

// Calls returns what the endpoint was called with, in order.
func (e *Endpoint[In]) Calls() []In {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.calls)
}

// Count returns the number of calls.
func (e *Endpoint[In]) Count() int { return len(e.Calls()) }

// Context returns the context of the call with index i.
func (e *Endpoint[In]) Context(i int) context.Context {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.contexts[i]
}

// MaxInFlight returns how many calls were in flight at once at most.
func (e *Endpoint[In]) MaxInFlight() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.max
}

// Forget forgets the calls so far.
func (e *Endpoint[In]) Forget() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.calls, e.contexts = nil, nil
}
