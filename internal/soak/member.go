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

// member is one of those that share the session: a process, as it were, which is
// restarted at times.
type member struct {
	index int
	life  atomic.Pointer[life]

	mu   sync.Mutex // guards all below
	used string     // the last access token that was sent
	dead time.Time  // when it dies
}

// life is a member from one start to the next.
type life struct {
	source  *tokensource.Source
	client  *http.Client
	stopped chan struct{} // closed when Run has returned; nil where there is none
}

func (m *member) now() *life { return m.life.Load() }

// enter brings a member on stage.
func (s *stage) enter(index int) (*member, error) {
	m := &member{index: index}
	l, err := s.start(m)
	if err != nil {
		return nil, err
	}
	m.life.Store(l)
	return m, nil
}

// start begins a life, on what is stored.
func (s *stage) start(m *member) (*life, error) {
	cfg := tokensource.Config{
		Refresher: s.gateway, Store: &store.File{Path: s.file}, Clock: s.clock,
		RefreshTimeout: 3 * time.Second, OnEvent: func(e tokensource.Event) { s.told(m, &e) },
	}
	if m.index == signer {
		cfg.Login = tokensource.SignOnWith(s.gateway, asDave(""))
	}
	src, err := tokensource.New(cfg)
	if err != nil {
		return nil, err
	}
	tap := &tap{stage: s, member: m}
	l := &life{source: src, client: &http.Client{Transport: &transport.Transport{Source: src, Base: tap}}}
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
func (s *stage) restart(m *member) error {
	s.model.restarted(m.index)
	next, err := s.start(m)
	if err != nil {
		return err
	}
	return m.life.Swap(next).close()
}

func (m *member) close() error { return m.now().close() }

func (l *life) close() error {
	err := l.source.Close()
	if l.stopped != nil {
		<-l.stopped
	}
	return err
}

// well reports whether a member has a good token, and nothing that is remembered
// of a failure.
func (m *member) well() bool {
	status := m.now().source.Status()
	return (status.Phase == tokensource.Fresh || status.Phase == tokensource.Ageing) &&
		status.Err == nil && status.Reason == 0 && !status.Unsaved
}

// tokenDead is when the last token that was sent dies.
func (m *member) tokenDead() time.Time {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.dead
}

// tap is what a member's requests go through, behind all that the library does.
type tap struct {
	stage  *stage
	member *member
}

// RoundTrip passes a request on, and takes down which token it has and whether that was
// rejected.
func (t *tap) RoundTrip(req *http.Request) (*http.Response, error) {
	begin, token := time.Now(), strings.TrimPrefix(req.Header.Get("Authorization"), "Bearer ")
	t.member.uses(t.stage, token)
	resp, err := t.stage.base.RoundTrip(req)
	if err != nil || resp.StatusCode != http.StatusForbidden {
		return resp, err
	}
	end := time.Now()
	if info, ok := t.stage.srv.Inspect(token); ok && diedOnTheWay(&info, begin, end) {
		callOf(req.Context()).onTheWay = true
	} else if !t.stage.model.rejects(begin, end) {
		t.stage.book.violated("dead token sent", "by member %d: it was rejected, though nothing was made to reject it", t.member.index)
	}
	return resp, err
}

// callKey is under which a call goes along with its request's context.
type callKey struct{}

func callOf(ctx context.Context) *call {
	c, _ := ctx.Value(callKey{}).(*call)
	return c
}

// uses notes a token. What becomes of it is asked of the gateway, once.
func (m *member) uses(s *stage, token string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.used == token {
		return
	}
	m.used = token
	info, ok := s.srv.Inspect(token)
	if !ok {
		return
	}
	s.model.sees(info.FixedExpiresAt)
	if dies := dies(&info); dies.After(m.dead) {
		m.dead = dies
	}
}

// told takes down what a member says.
func (s *stage) told(m *member, e *tokensource.Event) {
	s.book.told(e)
	if e.Kind == tokensource.EventEnding && e.Reason == tokensource.FixedExpired {
		s.model.warned(m.index, e.NextAt)
	}
}

// allowed is how a call failed that could not be helped.
func (c *call) allowed() string {
	if c.stalled {
		return string(c.outcome) + " on a machine that stood still"
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
func (c *call) take(err error) {
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
