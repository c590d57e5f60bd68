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

// replica stands for a process that shares the session and is restarted at times.
type replica struct {
	index    int
	instance atomic.Pointer[instance]

	mu        sync.Mutex // guards the rest
	lastToken string     // the last access token that was sent
	expiry    time.Time  // when it expires
}

// instance is a replica from one start to the next.
type instance struct {
	source  *tokensource.Source
	client  *http.Client
	stopped chan struct{} // closed when Run has returned; nil if it was not started
}

func (m *replica) current() *instance { return m.instance.Load() }

// newReplica adds a replica to the group.
func (g *group) newReplica(index int) (*replica, error) {
	m := &replica{index: index}
	l, err := g.start(m)
	if err != nil {
		return nil, err
	}
	m.instance.Store(l)
	return m, nil
}

// start starts an instance from the stored session.
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

// restart ends one instance and starts the next.
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

// healthy reports whether a replica has a good token and remembers no failure.
func (m *replica) healthy() bool {
	status := m.current().source.Status()
	return (status.Phase == tokensource.Fresh || status.Phase == tokensource.Ageing) &&
		status.Err == nil && status.Reason == 0 && !status.Unsaved
}

// tokenExpiry returns when the last token that was sent expires.
func (m *replica) tokenExpiry() time.Time {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.expiry
}

// recordingTransport is the base transport of a replica's requests.
type recordingTransport struct {
	group   *group
	replica *replica
}

// RoundTrip passes a request on, and records its token and whether that was rejected.
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
		t.group.recorder.violation("dead token sent", "by replica %d: it was rejected without a fault that rejects tokens", t.replica.index)
	}
	return resp, err
}

// callKey is the context key of the call of a request.
type callKey struct{}

func callOf(ctx context.Context) *call {
	c, _ := ctx.Value(callKey{}).(*call)
	return c
}

// noteToken notes a token. The gateway is asked about it once.
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

// onEvent records an event of a replica.
func (g *group) onEvent(m *replica, e *tokensource.Event) {
	g.recorder.event(e)
	if e.Kind == tokensource.EventEnding && e.Reason == tokensource.FixedExpired {
		g.model.warned(m.index, e.NextAt)
	}
}

// category returns the kind of an explained failure.
func (c *call) category() string {
	if c.stalled {
		return string(c.outcome) + " on a machine that stalled"
	}
	return string(c.outcome)
}

// cause returns why a call failed.
func (c *call) cause() string {
	if c.reason != 0 {
		return string(c.outcome) + " (" + c.reason.String() + ")"
	}
	return string(c.outcome)
}

// setOutcome records the result of a call.
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
