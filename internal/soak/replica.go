package main

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/agsauth/agsauth/store"
	"github.com/agsauth/agsauth/tokensource"
	"github.com/agsauth/agsauth/transport"
)

// replica is one of those that share the session: a process, as it were, which is
// restarted at times.
type replica struct {
	index    int
	instance atomic.Pointer[instance]

	mu        sync.Mutex // guards all below
	lastToken string     // the last access token that was sent
	expiry    time.Time  // when it dies
}

// instance is a replica from one start to the next.
type instance struct {
	source  *tokensource.Source
	client  *http.Client
	stopped chan struct{} // closed when Run has returned; nil where there is none
}

func (m *replica) current() *instance { return m.instance.Load() }

// enter brings a replica on group.
func (g *group) newReplica(index int) (*replica, error) {
	m := &replica{index: index}
	l, err := g.start(m)
	if err != nil {
		return nil, err
	}
	m.instance.Store(l)
	return m, nil
}

// start begins a life, on what is stored.
func (g *group) start(m *replica) (*instance, error) {
	cfg := tokensource.Config{
		Refresher: g.gateway, Store: &store.File{Path: g.file}, Clock: g.clock,
		RefreshTimeout: 3 * time.Second, OnEvent: func(e tokensource.Event) { g.onEvent(m, &e) },
	}
	if m.index == signingReplica {
		cfg.Login = tokensource.SignOnWith(g.gateway, asDave(""))
	}
	src, err := tokensource.New(cfg)
	if err != nil {
		return nil, err
	}
	tr := &recordingTransport{group: g, replica: m}
	l := &instance{source: src, client: &http.Client{Transport: &transport.Transport{Source: src, Base: tr}}}
	if m.index == 0 {
		l.stopped = make(chan struct{})
		go func() {
			defer close(l.stopped)
			_ = src.Run(context.Background()) // until it is closed
		}()
	}
	return l, nil
}

// restart ends one life and begins the next.
func (g *group) restart(m *replica) error {
	g.model.restarted(m.index)
	next, err := g.start(m)
	if err != nil {
		return err
	}
	return m.instance.Swap(next).close()
}

func (m *replica) close() error { return m.current().close() }

func (l *instance) close() error {
	err := l.source.Close()
	if l.stopped != nil {
		<-l.stopped
	}
	return err
}

// well reports whether a replica has a good token, and nothing that is remembered
// of a failure.
func (m *replica) healthy() bool {
	status := m.current().source.Status()
	return (status.Phase == tokensource.Fresh || status.Phase == tokensource.Ageing) &&
		status.Err == nil && status.Reason == 0 && !status.Unsaved
}

// tokenExpiry is when the last token that was sent dies.
func (m *replica) tokenExpiry() time.Time {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.expiry
}

// recordingTransport is what a replica'g requests go through, behind all that the library does.
type recordingTransport struct {
	group   *group
	replica *replica
}

// RoundTrip passes a request on, and takes down which token it has and whether that was
// rejected.
func (t *recordingTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	begin, token := time.Now(), strings.TrimPrefix(req.Header.Get("Authorization"), "Bearer ")
	t.replica.noteToken(t.group, token)
	resp, err := t.group.base.RoundTrip(req)
	if err != nil || resp.StatusCode != http.StatusForbidden {
		return resp, err
	}
	end := time.Now()
	if info, ok := t.group.srv.Inspect(token); ok && expiredInTransit(&info, begin, end) {
		callOf(req.Context()).inTransit = true
	} else if !t.group.model.rejects(begin, end) {
		t.group.recorder.violation("dead token sent", "by replica %d: it was rejected, though nothing was made to reject it", t.replica.index)
	}
	return resp, err
}

// callKey is under which a call goes along with its request'g context.
type callKey struct{}

func callOf(ctx context.Context) *call {
	c, _ := ctx.Value(callKey{}).(*call)
	return c
}

// uses notes a token. What becomes of it is asked of the gateway, once.
func (m *replica) noteToken(g *group, token string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.lastToken == token {
		return
	}
	m.lastToken = token
	info, ok := g.srv.Inspect(token)
	if !ok {
		return
	}
	g.model.sessionSeen(info.FixedExpiresAt)
	if dies := dies(&info); dies.After(m.expiry) {
		m.expiry = dies
	}
}

// told takes down what a replica says.
func (g *group) onEvent(m *replica, e *tokensource.Event) {
	g.recorder.event(e)
	if e.Kind == tokensource.EventEnding && e.Reason == tokensource.FixedExpired {
		g.model.warned(m.index, e.NextAt)
	}
}

// allowed is how a call failed that could not be helped.
func (c *call) category() string {
	if c.stalled {
		return string(c.outcome) + " on a machine that stallStats still"
	}
	return string(c.outcome)
}

// cause is why a call failed.
func (c *call) cause() string {
	if c.reason != 0 {
		return string(c.outcome) + " (" + c.reason.String() + ")"
	}
	return string(c.outcome)
}

// take notes what came of a call.
func (c *call) setOutcome(err error) {
	c.outcome = served
	if err == nil {
		return
	}
	c.text = err.Error()
	ended, isEnded := errors.AsType[*tokensource.LoginRequiredError](err)
	_, passing := errors.AsType[*tokensource.UnavailableError](err)
	switch {
	case isEnded:
		c.outcome, c.reason = loginRequired, ended.Reason
	case passing:
		c.outcome = unavailable
	case errors.Is(err, tokensource.ErrClosed):
		c.outcome = closed
	case errors.Is(err, statusError(http.StatusForbidden)):
		c.outcome = refused
	default:
		c.outcome = other
	}
}
