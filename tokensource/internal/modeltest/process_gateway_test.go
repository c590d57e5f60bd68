package modeltest_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/agsauth/agsauth/ags"
	"github.com/agsauth/agsauth/tokensource"
)

func (r processGateway) Refresh(ctx context.Context, t *ags.Token) (*ags.Token, error) {
	p, m := r.p, r.p.model
	m.mu.Lock()
	pr := m.gw.pairs[t.AccessToken.Reveal()]
	if p.crashed {
		m.mu.Unlock()
		return nil, errCrashed
	}
	if pr == nil || t.RefreshToken.Reveal() != pr.refresh {
		m.failLocked("5: %s: an access and a refresh token that are no pair", p.name)
		m.mu.Unlock()
		return nil, errRejected
	}
	now := p.now()
	f := &gatewayCall{ctx: ctx, pair: pr, first: now, at: now, redeemedBefore: pr.redeemed}
	if p.lost != nil && p.lost.pair == pr && p.lostAt == now.mono {
		f.first, f.repeats = p.lost.first, true
	}
	p.refreshesLocked(f)
	reply := pop(&m.gw.refresh)
	m.logLocked("  %s: refresh %s: %s", p.name, pr, reply)
	return p.perform(f, reply, func() (*ags.Token, error) { return m.gw.redeemLocked(p, pr) })
}

// perform performs a call. The caller must hold the model's mutex, which perform unlocks.
func (p *process) perform(f *gatewayCall, r reply, work func() (*ags.Token, error)) (answer *ags.Token, err error) {
	m := p.model
	p.inFlight, p.lost = append(p.inFlight, f), nil
	m.mu.Unlock()
	err = errPanicked
	defer func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		for i, o := range p.inFlight {
			if o == f {
				p.inFlight = append(p.inFlight[:i:i], p.inFlight[i+1:]...)
			}
		}
		p.finishedLocked(f, answer, err)
	}()
	answer, err = m.gw.answer(f.ctx, p, r, work)
	if f.pair != nil && r.err != nil && errors.Is(r.err, ags.ErrUnauthorized) {
		m.mu.Lock()
		f.pair.session.ended = true
		m.mu.Unlock()
	}
	return answer, err
}

// finishedLocked records what a process learns from an answer.
func (p *process) finishedLocked(f *gatewayCall, answer *ags.Token, err error) {
	var e *ags.Error
	known := err == nil && answer != nil || errors.Is(err, ags.ErrUnauthorized)
	switch received := p.receivesLocked(f); {
	case f.pair == nil:
		if received && err == nil && answer != nil {
			p.obtainedLocked(p.model.gw.pairs[answer.AccessToken.Reveal()], answer, origin{at: p.now(), stored: true})
		}
	case !received, !known:
		p.unknown[f.pair] = p.unknown[f.pair] || f.pair.redeemed && !f.redeemedBefore
		unanswered := errors.As(err, &e) && e.Status == 0 && !e.NotSent && !e.Malformed || e == nil && f.ctx.Err() != nil && !errors.Is(err, errPanicked)
		if received && err != nil && unanswered && !f.repeats {
			p.lost, p.lostAt = f, p.model.fake.Elapsed()
		}
	case err == nil:
		all := p.beliefs[f.pair]
		if next := p.model.gw.pairs[answer.AccessToken.Reveal()]; len(all) > 0 {
			p.obtainedLocked(next, answer, origin{at: f.first, refreshedFrom: all[len(all)-1]})
		}
		p.answered[f.pair] = !p.model.settings.keepsRefreshToken
		if p.signedOut[f.pair.session] {
			p.owesSignOut[p.model.gw.pairs[answer.AccessToken.Reveal()]] = true
		}
	default:
		p.answered[f.pair] = true
		p.lastAction.unsaved = p.lastAction.unsaved && !p.lastAction.matches(f.pair) // its session is over
		if p.store != nil {
			p.loadsAtRejection = p.store.loaded
		}
	}
	if ags.DeviceDeleted(err) {
		p.deleted = true
	}
}

// receivesLocked reports whether the process still waits for a call. It waits for a
// refresh past its timeout, until the timeout of its repetition.
func (p *process) receivesLocked(f *gatewayCall) bool {
	late := f.pair != nil && !f.repeats && p.model.fake.Elapsed()-f.first.mono < oneRefresh
	return !p.crashed && (f.ctx.Err() == nil || late)
}

func (r processGateway) SignOut(_ context.Context, t *ags.Token) error {
	p, m := r.p, r.p.model
	m.mu.Lock()
	defer m.mu.Unlock()
	if p.crashed {
		return errCrashed
	}
	if !p.hasSignedOut { // a pair granted after a sign-out is signed out, too
		p.outgoingLocked("a sign-out")
	}
	pr := m.gw.pairs[t.AccessToken.Reveal()]
	m.logLocked("  %s: the gateway signs out %s", p.name, pr)
	if pr != nil {
		pr.session.ended = true
		delete(p.owesSignOut, pr)
	}
	return nil
}

// login is a LoginFunc.
func (p *process) login(ctx context.Context, ended *tokensource.LoginRequiredError) (*ags.Token, error) {
	m := p.model
	if _, err := p.src.TokenContext(ctx); err == nil && ended.Reason == tokensource.RefreshRejected && p.isExpired() {
		m.fail("1: %s: an expired token is served to its Login", p.name)
	}
	if p.src.SetToken(ctx, &ags.Token{AccessToken: ags.NewSecret(mark)}) == nil {
		m.fail("3: %s: a Login can call SetToken, and would wait for itself", p.name)
	}
	m.mu.Lock()
	if p.crashed {
		m.mu.Unlock()
		return nil, errCrashed
	}
	now := p.now()
	f := &gatewayCall{ctx: ctx, first: now, at: now}
	p.logsInLocked(f, ended)
	reply := pop(&m.gw.login)
	m.logLocked("  %s: login for %s: %s", p.name, ended.Reason, reply)
	client := ended.ClientID
	if client == "" {
		client = fmt.Sprintf("PUB_%d", m.gw.sessions+1)
	}
	return p.perform(f, reply, func() (*ags.Token, error) {
		_, t := m.gw.signOnLocked(p, client)
		return t, nil
	})
}

// isExpired reports whether the current pair has expired by all beliefs.
func (p *process) isExpired() bool {
	p.model.mu.Lock()
	defer p.model.mu.Unlock()
	return p.allLocked(p.current, func(b *belief) bool { return b.serveUntil.either(p.now()) })
}
