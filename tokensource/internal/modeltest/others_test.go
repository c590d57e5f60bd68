package modeltest_test

import (
	"context"
	"encoding/json"
	"time"
)

// signOutMark stands for the mark of a sign-out.
var signOutMark = &pair{session: &session{}}

// savedLocked checks a save: record now with pair of replaces record former with pair
// held.
func (s *processStore) savedLocked(former *record, held *pair, now *record, of *pair) {
	p, m := s.p, s.p.model
	d := m.shared
	if former == nil {
		former = &record{}
	}
	m.logLocked("  %s: stores %s as %d%s", p.name, of, now.Generation, map[bool]string{true: ", attempted"}[!now.AttemptAt.IsZero()])
	if of == nil {
		of = signOutMark
	}
	switch other := d.numbers[now.Generation]; {
	case other != nil && other != of && !d.tampered:
		m.failLocked("6: %s: generation %d has two pairs, of which one will not be adopted", p.name, now.Generation)
	case of == signOutMark && (now.AccessToken != "" || now.RefreshToken != "" || now.SignedOutAt.IsZero()):
		m.failLocked("5: %s: tokens in a sign-out mark, or tokens never issued", p.name)
	case of == signOutMark && !p.lastAction.signOut && (former.SignedOutAt.IsZero() || now.Generation != former.Generation):
		m.failLocked("5: %s: stores a sign-out mark without a sign-out", p.name)
	case of == signOutMark && former.ClientID != "" && now.ClientID == "":
		m.failLocked("5: %s: a sign-out forgets the device", p.name)
	case of != signOutMark && now.RefreshToken != of.refresh:
		m.failLocked("5: %s: an access and a refresh token that are no pair are stored", p.name)
	case held.follows(of) && !d.tampered && !m.settings.keepsRefreshToken:
		m.failLocked("5: %s: stores the spent %s over %s", p.name, of, held)
	case p.ended != 0 && p.endedPair == of && held != nil && held.session != of.session && m.goodLocked(held) && !p.wasCurrent[held] && !p.comparedWithStore[of] && !d.tampered:
		m.failLocked("6: %s: stores %s, which has ended, over %s, which is live", p.name, of, held)
	case !former.SignedOutAt.IsZero() && d.signedOut[of.session] && !d.tampered:
		m.failLocked("6: %s: stores %s, and so undoes a sign-out", p.name, of)
	}
	for _, pending := range former.SignOutPending {
		if pr := m.gw.pairs[pending.AccessToken]; pr != nil && !pr.session.ended && !now.hasPending(pending.AccessToken) {
			m.failLocked("5: %s: the pending sign-out of %s is lost", p.name, pr)
		}
	}
	for _, other := range m.procs {
		if other != nil && other != p && d.numbers[now.Generation] != of {
			delete(other.answered, of) // a process that adopts it cannot know that
		}
	}
	d.numbers[now.Generation] = of
	if of == signOutMark {
		for gone := range p.signedOut {
			d.signedOut[gone] = true
		}
	}
}

func (m *model) setUnavailable(away bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.shared.unavailable = away
}

// outsideLock takes the lock for a process without a Source.
func (m *model) outsideLock() {
	if m.shared.outside != nil || !m.settings.locks {
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if unlock, err := m.tryLock(ctx); err == nil {
		m.shared.outside = unlock
	}
}

// tryLock takes the lock if it is free.
func (m *model) tryLock(context.Context) (func() error, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, p := range append(m.procs[:], m.past...) {
		if p != nil && p.store != nil && len(p.store.taken) > 0 {
			return nil, errStore
		}
	}
	if m.shared.outside != nil {
		return nil, errStore
	}
	return m.shared.memory.Peer().Lock(context.Background())
}

func (m *model) outsideUnlock() {
	if m.shared.outside != nil {
		_ = m.shared.outside()
		m.shared.outside = nil
	}
}

// asOtherProcess stores a record under the lock, as another process would.
func (m *model) asOtherProcess(do func(former *record, held *pair) *record) {
	if !m.settings.withStore {
		return
	}
	unlock := func() error { return nil }
	if m.settings.locks {
		var err error
		if unlock, err = m.tryLock(context.Background()); err != nil {
			return
		}
	}
	m.mu.Lock()
	former, held := m.shared.storedLocked()
	if r := do(former, held); r != nil {
		r.Version, r.Generation = 1, m.highestLocked()+1
		data, err := json.Marshal(r)
		peer := m.peer()
		_, _ = peer.Load(context.Background())
		if err != nil || peer.Save(context.Background(), data) != nil {
			panic("the record of another process cannot be stored")
		}
		m.shared.numbers[r.Generation] = m.gw.pairs[r.AccessToken]
		if r.AccessToken == "" {
			m.shared.numbers[r.Generation] = signOutMark
		}
		m.logLocked("  another process stores %s as %d", m.gw.pairs[r.AccessToken], r.Generation)
	}
	m.mu.Unlock()
	_ = unlock()
}

func (m *model) highestLocked() (highest int64) {
	for n := range m.shared.numbers {
		highest = max(highest, n)
	}
	return highest
}

// outsider is a process without a Source on the first host.
func (m *model) outsider() *process { return &process{model: m, host: m.hosts[0]} }

func (m *model) rotate() {
	m.asOtherProcess(func(former *record, held *pair) *record {
		if former == nil || held == nil {
			return nil
		}
		t, err := m.gw.redeemLocked(m.outsider(), held)
		if err != nil {
			return nil
		}
		r := *former
		r.AccessToken, r.RefreshToken = t.AccessToken.Reveal(), t.RefreshToken.Reveal()
		if r.RefreshToken == "" {
			r.RefreshToken = held.refresh
		}
		r.IssuedAt, r.ExpiresAt, r.RefreshExpiresAt = t.IssuedAt, t.ExpiresAt, t.RefreshExpiresAt
		if former.FixedExpiresAt.IsZero() || t.FixedExpiresAt.Before(former.FixedExpiresAt) {
			r.FixedExpiresAt = t.FixedExpiresAt
		}
		r.AttemptAt = time.Time{}
		return &r
	})
}

func (m *model) signOnOutside() {
	m.asOtherProcess(func(*record, *pair) *record {
		_, t := m.gw.signOnLocked(m.outsider(), "PUB_1")
		return &record{
			AccessToken: t.AccessToken.Reveal(), RefreshToken: t.RefreshToken.Reveal(), TokenType: "bearer", ClientID: "PUB_1", AccountID: "1663",
			IssuedAt: t.IssuedAt, ExpiresAt: t.ExpiresAt, RefreshExpiresAt: t.RefreshExpiresAt, FixedExpiresAt: t.FixedExpiresAt, StartedAt: t.IssuedAt,
		}
	})
}

func (m *model) signOutOutside() {
	m.asOtherProcess(func(former *record, held *pair) *record {
		if held == nil {
			return nil
		}
		held.session.ended = true
		m.shared.signedOut[held.session] = true
		return &record{ClientID: former.ClientID, AccountID: former.AccountID, StartedAt: former.StartedAt, SignedOutAt: m.hosts[0].now()}
	})
}

// tamper replaces the record, or removes it if with is empty.
func (m *model) tamper(with string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.shared.tampered = true
	_ = m.shared.memory.Peer().Delete(context.Background())
	if with != "" {
		_ = m.shared.memory.Peer().Save(context.Background(), []byte(with))
	}
}

// tamperedLocked reports whether the record was tampered with.
func (m *model) tamperedLocked() bool { return m.shared.tampered }

// removeDamaged removes an unreadable record, as an operator would.
func (m *model) removeDamaged() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if data, err := m.shared.memory.Peer().Load(context.Background()); err == nil && parse(data) == nil {
		_ = m.shared.memory.Peer().Delete(context.Background())
	}
}
