package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/agsauth/agsauth/agstest"
)

const (
	// recovery is how long all may take to be well after an act.
	recovery = 40 * time.Second
	// glance is how often it is looked whether they are.
	glance = 20 * time.Millisecond
)

// play plays the schedule until ctx ends: each act when all is well.
func (s *stage) play(ctx context.Context, script *schedule) {
	for {
		a := script.next()
		if !s.awaitWell(ctx) || !pause(ctx, a.gap) || !s.awaitWell(ctx) {
			return
		}
		if a.kind == jumped && !s.awaitSpan(ctx) {
			return
		}
		if a.kind.needsAgreement() {
			var ok bool
			if a.token, ok = s.agreed(ctx); !ok {
				return
			}
		}
		a.jump = s.tame(a.jump)
		end := s.model.begin(a)
		err := s.perform(ctx, a)
		end()
		s.book.survived(a, err)
	}
}

// awaitWell waits until all members are well; that they are not is a violation if it
// lasts. It reports whether the play is to go on.
func (s *stage) awaitWell(ctx context.Context) bool {
	begin := time.Now()
	for told := false; ; {
		ill := s.ill()
		if ill == "" {
			return ctx.Err() == nil
		}
		if !told && time.Since(begin) > recovery {
			told = true
			s.book.violated("not well again", "after %s: %s", recovery, ill)
		}
		if !pause(ctx, glance) {
			return false
		}
	}
}

func (s *stage) ill() string {
	for _, m := range s.members {
		if !m.well() {
			status := m.now().source.Status()
			return fmt.Sprintf("member %d is %s (%s), %v", m.index, status.Phase, status.Reason, status.Err)
		}
		// What it does not know yet: its session was revoked.
		if info, ok := s.srv.Inspect(m.lastUsed()); !ok || !info.Live {
			return fmt.Sprintf("member %d goes on with a token that is dead", m.index)
		}
	}
	return ""
}

// agreed waits until all use the same token, and none is about to replace it. Otherwise
// one would replace the token that is rejected by the next one, which was issued a
// moment before and is rejected as well: that it follows the one and not the other
// could not be helped. And a token whose answer is on its way when the clock is set
// forward is dead when it arrives: who waits for it is told to come back.
func (s *stage) agreed(ctx context.Context) (token string, ok bool) {
	begin := time.Now()
	for told := false; ; {
		token = s.members[0].lastUsed()
		same := !slices.ContainsFunc(s.members[:], func(m *member) bool { return m.lastUsed() != token })
		info, _ := s.srv.Inspect(token)
		if same && info.Live && time.Until(info.ExpiresAt) > accessLifetime-youth {
			return token, true
		}
		if !told && time.Since(begin) > recovery {
			told = true
			s.book.violated("not of one mind", "the members do not come to use the same token")
		}
		if !pause(ctx, glance) {
			return "", false
		}
	}
}

// youth is when nobody is about to refresh a token yet.
const youth = soonest - 400*time.Millisecond

// turn is how long before the end of a session the clock is left alone, until there is
// another: an end that is learnt while it is off, by less than a minute, stays off.
const turn = 20 * time.Second

// awaitSpan waits until a session is not about to end.
func (s *stage) awaitSpan(ctx context.Context) bool {
	for time.Until(s.model.end()) < turn {
		if !pause(ctx, glance) {
			return false
		}
	}
	return s.awaitWell(ctx)
}

// tame turns a jump of the clock that would pass the session's end into one that goes
// back: by that clock the session would be over, and what it is worth to who is started
// or adopts then is the vectors' to say.
func (s *stage) tame(jump time.Duration) time.Duration {
	if end := s.model.end(); jump > 0 && !end.IsZero() && jump > time.Until(end)-turn {
		return -jump
	}
	return jump
}

// perform does what an act is, and returns when it is over.
func (s *stage) perform(ctx context.Context, a act) error {
	m := s.members[a.member]
	switch a.kind {
	case outage:
		return s.befall(ctx, a.span, agstest.Fault{Kind: lostIf(a.status == 0), Status: a.status})
	case slow:
		return s.befall(ctx, a.span, agstest.Fault{Delay: time.Second, AfterWork: true})
	case lostWork:
		return s.script(ctx, agstest.Fault{Kind: agstest.Lost})
	case lostReply:
		return s.script(ctx, agstest.Fault{Kind: agstest.Lost, AfterWork: true})
	case tooMany:
		return s.script(ctx, agstest.Fault{Status: 429, RetryAfter: a.span})
	case storm:
		s.srv.RejectAll(true)
		defer s.srv.RejectAll(false)
		pause(ctx, a.span)
	case rejected:
		s.srv.RejectToken(a.token)
	case revoked:
		s.srv.RevokeSessions()
	case signedOut:
		return s.signOut(ctx, m, a.span)
	case restart:
		return s.restart(m)
	case emptied:
		return s.harm(ctx, func() error { return os.Remove(s.file) })
	case damaged:
		half := []byte(`{"version":1,"generation":7,"access_tok`)
		return s.harm(ctx, func() error { return os.WriteFile(s.file, half, 0o600) })
	case jumped:
		s.clock.jump(a.jump)
		defer s.clock.jump(-a.jump)
		pause(ctx, a.span)
		s.agreed(ctx)
	}
	return nil
}

func lostIf(lost bool) agstest.Kind {
	if lost {
		return agstest.Lost
	}
	return ""
}

// befall has a fault befall all calls of the gateway for a while.
func (s *stage) befall(ctx context.Context, span time.Duration, f agstest.Fault) error {
	for _, op := range []agstest.Op{agstest.Refresh, agstest.SignOn} {
		s.srv.Always(op, f)
	}
	pause(ctx, span)
	s.srv.Clear()
	return nil
}

// script has a fault befall the next refresh, and waits until it has.
func (s *stage) script(ctx context.Context, f agstest.Fault) error {
	n := s.srv.Count(agstest.Refresh)
	s.srv.Script(agstest.Refresh, f)
	if err := s.srv.Wait(ctx, agstest.Refresh, n+1); err != nil {
		s.srv.Clear()
	}
	return nil
}

// signOut has one member sign out, and a human sign on after a while.
func (s *stage) signOut(ctx context.Context, m *member, span time.Duration) error {
	ctx = context.WithoutCancel(ctx)
	if err := m.now().source.SignOut(ctx); err != nil {
		return err
	}
	timer := time.NewTimer(span)
	defer timer.Stop()
	<-timer.C
	return s.login(ctx, m)
}

// harm does something to the file, and waits until one of those who have the session
// in memory has made it whole again: who is started on it before has none.
func (s *stage) harm(ctx context.Context, do func() error) error {
	if err := do(); err != nil {
		return err
	}
	for begin := time.Now(); time.Since(begin) < recovery; {
		if data, err := os.ReadFile(s.file); err == nil && json.Valid(data) {
			return nil
		}
		if !pause(ctx, glance) {
			return nil
		}
	}
	return errors.New("nobody has stored the session again")
}

func (m *member) lastUsed() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.used
}

// pause waits, and reports whether it could.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
