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
	// recoveryTimeout is how long every call may take to succeed again after a fault.
	recoveryTimeout = 40 * time.Second
	// pollInterval is how often that is checked.
	pollInterval = 20 * time.Millisecond
)

// injectAll plays the schedule until ctx ends. Each fault comes when every call succeeds again.
func (g *group) injectAll(ctx context.Context, faults *schedule) {
	for {
		a := faults.next()
		if !g.awaitHealthy(ctx) || !pause(ctx, a.gap) || !g.awaitHealthy(ctx) {
			return
		}
		if a.kind == jumped && !g.awaitSpan(ctx) || a.kind == revoked && !g.awaitAge(ctx) {
			return
		}
		if a.kind.needsAgreement() {
			var ok bool
			if a.token, ok = g.awaitSameToken(ctx); !ok {
				return
			}
		}
		a.jump = g.clampJump(a.jump)
		end := g.model.begin(a)
		err := g.inject(ctx, a)
		end()
		g.recorder.faultDone(a, err)
	}
}

// awaitHealthy waits until all replicas are healthy. It is a violation if that takes too
// long. awaitHealthy reports whether the schedule goes on.
func (g *group) awaitHealthy(ctx context.Context) bool {
	begin := time.Now()
	for told := false; ; {
		reason := g.unhealthy()
		if reason == "" {
			return ctx.Err() == nil
		}
		if !told && time.Since(begin) > recoveryTimeout {
			told = true
			g.recorder.violation("not well again", "after %s: %s", recoveryTimeout, reason)
		}
		if !pause(ctx, pollInterval) {
			return false
		}
	}
}

func (g *group) unhealthy() string {
	for _, m := range g.replicas {
		if !m.healthy() {
			status := m.current().source.Status()
			return fmt.Sprintf("replica %d is %s (%s), %v", m.index, status.Phase, status.Reason, status.Err)
		}
		// The replica does not know yet that its session was revoked.
		if info, ok := g.srv.Inspect(m.currentToken()); !ok || !info.Live {
			return fmt.Sprintf("replica %d still uses an expired token", m.index)
		}
	}
	return ""
}

// awaitSameToken waits until all replicas use the same token and none is about to replace
// it. Otherwise a replica would replace the rejected token by one that is rejected, too,
// and of two rejections in a row only the first has an effect. A token that is on its way
// while the clock is set forward has expired when it arrives.
func (g *group) awaitSameToken(ctx context.Context) (token string, ok bool) {
	begin := time.Now()
	for told := false; ; {
		token = g.replicas[0].currentToken()
		same := !slices.ContainsFunc(g.replicas[:], func(m *replica) bool { return m.currentToken() != token })
		info, _ := g.srv.Inspect(token)
		if same && info.Live && time.Until(info.ExpiresAt) > accessLifetime-freshAge {
			return token, true
		}
		if !told && time.Since(begin) > recoveryTimeout {
			told = true
			g.recorder.violation("no agreement", "the replicas do not agree on a token")
		}
		if !pause(ctx, pollInterval) {
			return "", false
		}
	}
}

// freshAge is the age up to which no replica refreshes a token.
const freshAge = soonest - 400*time.Millisecond

// endGuard is how long before the end of a session the clock is not set. An end that is
// received while the clock is wrong by less than a minute stays wrong.
const endGuard = 20 * time.Second

// awaitSpan waits until the session is not about to end.
func (g *group) awaitSpan(ctx context.Context) bool {
	for time.Until(g.model.sessionEnd()) < endGuard {
		if !pause(ctx, pollInterval) {
			return false
		}
	}
	return g.awaitHealthy(ctx)
}

// leastAge is how long a session must have been in use for a sign-on to follow at once when
// it is revoked. After a shorter life the next Login waits for a minute.
const leastAge = 10*time.Second + slack

// awaitAge waits until the session is in use for long enough to be revoked.
func (g *group) awaitAge(ctx context.Context) bool {
	for time.Since(g.model.sessionBegin()) < leastAge {
		if !pause(ctx, pollInterval) {
			return false
		}
	}
	return g.awaitHealthy(ctx)
}

// clampJump turns a jump of the clock past the session's end into one back. By that clock the
// session would be over; the vectors test what happens then.
func (g *group) clampJump(jump time.Duration) time.Duration {
	if end := g.model.sessionEnd(); jump > 0 && !end.IsZero() && jump > time.Until(end)-endGuard {
		return -jump
	}
	return jump
}

// inject causes a fault and returns when it is over.
func (g *group) inject(ctx context.Context, a fault) error {
	m := g.replicas[a.replica]
	switch a.kind {
	case outage:
		return g.faultDuring(ctx, a.span, agstest.Fault{Kind: lostIf(a.status == 0), Status: a.status})
	case slow:
		return g.faultDuring(ctx, a.span, agstest.Fault{Delay: time.Second, AfterWork: true})
	case lostWork:
		return g.faultNext(ctx, agstest.Fault{Kind: agstest.Lost})
	case lostReply:
		return g.faultNext(ctx, agstest.Fault{Kind: agstest.Lost, AfterWork: true})
	case tooMany:
		return g.faultNext(ctx, agstest.Fault{Status: 429, RetryAfter: a.span})
	case rejectAll:
		g.srv.RejectAll(true)
		defer g.srv.RejectAll(false)
		pause(ctx, a.span)
	case rejected:
		g.srv.RejectToken(a.token)
	case revoked:
		g.srv.RevokeSessions()
	case signedOut:
		return g.signOut(ctx, m, a.span)
	case restart:
		return g.restart(m)
	case emptied:
		return g.damageFile(ctx, func() error { return os.Remove(g.file) })
	case damaged:
		half := []byte(`{"version":1,"generation":7,"access_tok`)
		return g.damageFile(ctx, func() error { return os.WriteFile(g.file, half, 0o600) })
	case jumped:
		g.clock.jump(a.jump)
		defer g.clock.jump(-a.jump)
		pause(ctx, a.span)
		g.awaitSameToken(ctx)
	}
	return nil
}

func lostIf(lost bool) agstest.Kind {
	if lost {
		return agstest.Lost
	}
	return ""
}

// faultDuring applies a fault to all gateway calls for a while.
func (g *group) faultDuring(ctx context.Context, span time.Duration, f agstest.Fault) error {
	for _, op := range []agstest.Op{agstest.Refresh, agstest.SignOn} {
		g.srv.Always(op, f)
	}
	pause(ctx, span)
	g.srv.Clear()
	return nil
}

// faultNext applies a fault to the next refresh, and waits for that.
func (g *group) faultNext(ctx context.Context, f agstest.Fault) error {
	n := g.srv.Count(agstest.Refresh)
	g.srv.Script(agstest.Refresh, f)
	if err := g.srv.Wait(ctx, agstest.Refresh, n+1); err != nil {
		g.srv.Clear()
	}
	return nil
}

// signOut signs out one replica, and signs on again after a while.
func (g *group) signOut(ctx context.Context, m *replica, span time.Duration) error {
	ctx = context.WithoutCancel(ctx)
	if err := m.current().source.SignOut(ctx); err != nil {
		return err
	}
	timer := time.NewTimer(span)
	defer timer.Stop()
	<-timer.C
	return g.login(ctx, m)
}

// damageFile damages the file, and waits until a replica that has the session in memory has
// saved it again. A replica started before would have no session.
func (g *group) damageFile(ctx context.Context, do func() error) error {
	if err := do(); err != nil {
		return err
	}
	for begin := time.Now(); time.Since(begin) < recoveryTimeout; {
		if data, err := os.ReadFile(g.file); err == nil && json.Valid(data) {
			return nil
		}
		if !pause(ctx, pollInterval) {
			return nil
		}
	}
	return errors.New("nobody has stored the session again")
}

func (m *replica) currentToken() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.lastToken
}

// pause waits. It reports false if ctx ended first.
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
