package modeltest_test

import (
	"context"
	"encoding/json"
	"time"
)

// What others do to the store, and what may be written into it.

// tombstone stands for a mark of a sign-out.
var tombstone = &pair{account: &account{}}

// savedLocked checks what has just been stored: now, which has the pair of, over
// former, which had the pair held.
func (s *drawer) savedLocked(former *record, held *pair, now *record, of *pair) {
	p, w := s.p, s.p.w
	d := w.disk
	if former == nil {
		former = &record{}
	}
	w.sayLocked("  %s: stores %s as %d%s", p.name, of, now.Generation, map[bool]string{true: ", attempted"}[!now.AttemptAt.IsZero()])
	if of == nil {
		of = tombstone
	}
	switch other := d.numbers[now.Generation]; {
	case other != nil && other != of && !d.tampered:
		w.failLocked("6: %s: generation %d is given to two pairs, of which one is no news", p.name, now.Generation)
	case of == tombstone && (now.AccessToken != "" || now.RefreshToken != "" || now.SignedOutAt.IsZero()):
		w.failLocked("5: %s: tokens in a mark of a sign-out, or of nobody", p.name)
	case of == tombstone && !p.wish.signOut && (former.SignedOutAt.IsZero() || now.Generation != former.Generation):
		w.failLocked("5: %s: stores that somebody has signed out, and nobody has", p.name)
	case of == tombstone && former.ClientID != "" && now.ClientID == "":
		w.failLocked("5: %s: a sign-out forgets the device", p.name)
	case of != tombstone && now.RefreshToken != of.refresh:
		w.failLocked("5: %s: an access and a refresh token that are no pair are stored", p.name)
	case held.follows(of) && !d.tampered && !w.house.keeps:
		w.failLocked("5: %s: stores %s over %s, for which it was spent", p.name, of, held)
	case p.ended != 0 && p.endedPair == of && held != nil && held.account != of.account && w.goodLocked(held) && !p.had[held] && !p.claims[of] && !d.tampered:
		w.failLocked("6: %s: stores %s, which has ended, over %s, which lives", p.name, of, held)
	case !former.SignedOutAt.IsZero() && d.signed[of.account] && !d.tampered:
		w.failLocked("6: %s: stores %s, and so undoes a sign-out", p.name, of)
	}
	for _, pending := range former.SignOutPending {
		if pr := w.gw.pairs[pending.AccessToken]; pr != nil && !pr.account.over && !now.hasPending(pending.AccessToken) {
			w.failLocked("5: %s: the gateway is not told to sign out %s, nor will it be", p.name, pr)
		}
	}
	for _, other := range w.procs {
		if other != nil && other != p && d.numbers[now.Generation] != of {
			delete(other.answered, of) // whoever adopts it anew cannot know better
		}
	}
	d.numbers[now.Generation] = of
	if of == tombstone {
		for gone := range p.gone {
			d.signed[gone] = true
		}
	}
}

func (w *world) setAway(away bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.disk.away = away
}

// outsideLock is a process without a Source that takes the lock and keeps it.
func (w *world) outsideLock() {
	if w.disk.outside != nil || !w.house.locks {
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if unlock, err := w.tryLock(ctx); err == nil {
		w.disk.outside = unlock
	}
}

// tryLock takes the lock if nobody has it.
func (w *world) tryLock(context.Context) (func() error, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, p := range append(w.procs[:], w.past...) {
		if p != nil && p.shelf != nil && len(p.shelf.taken) > 0 {
			return nil, errDisk
		}
	}
	if w.disk.outside != nil {
		return nil, errDisk
	}
	return w.disk.memory.Peer().Lock(context.Background())
}

func (w *world) outsideUnlock() {
	if w.disk.outside != nil {
		_ = w.disk.outside()
		w.disk.outside = nil
	}
}

// neighbourly does something under the lock, as a neighbour that keeps the rules.
func (w *world) neighbourly(do func(former *record, held *pair) *record) {
	if !w.house.store {
		return
	}
	unlock := func() error { return nil }
	if w.house.locks {
		var err error
		if unlock, err = w.tryLock(context.Background()); err != nil {
			return
		}
	}
	w.mu.Lock()
	former, held := w.disk.storedLocked()
	if r := do(former, held); r != nil {
		r.Version, r.Generation = 1, w.highestLocked()+1
		data, err := json.Marshal(r)
		peer := w.peer()
		_, _ = peer.Load(context.Background())
		if err != nil || peer.Save(context.Background(), data) != nil {
			panic("the record of a neighbour cannot be stored")
		}
		w.disk.numbers[r.Generation] = w.gw.pairs[r.AccessToken]
		if r.AccessToken == "" {
			w.disk.numbers[r.Generation] = tombstone
		}
		w.sayLocked("  somebody stores %s as %d", w.gw.pairs[r.AccessToken], r.Generation)
	}
	w.mu.Unlock()
	_ = unlock()
}

func (w *world) highestLocked() (highest int64) {
	for n := range w.disk.numbers {
		highest = max(highest, n)
	}
	return highest
}

// outsider is a process on the first host that has no Source.
func (w *world) outsider() *proc { return &proc{w: w, host: w.hosts[0]} }

func (w *world) rotate() {
	w.neighbourly(func(former *record, held *pair) *record {
		if former == nil || held == nil {
			return nil
		}
		t, err := w.gw.spendLocked(w.outsider(), held)
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

func (w *world) signOnOutside() {
	w.neighbourly(func(*record, *pair) *record {
		_, t := w.gw.signOnLocked(w.outsider(), "PUB_1")
		return &record{
			AccessToken: t.AccessToken.Reveal(), RefreshToken: t.RefreshToken.Reveal(), TokenType: "bearer", ClientID: "PUB_1", AccountID: "1663",
			IssuedAt: t.IssuedAt, ExpiresAt: t.ExpiresAt, RefreshExpiresAt: t.RefreshExpiresAt, FixedExpiresAt: t.FixedExpiresAt, StartedAt: t.IssuedAt,
		}
	})
}

func (w *world) signOutOutside() {
	w.neighbourly(func(former *record, held *pair) *record {
		if held == nil {
			return nil
		}
		held.account.over = true
		w.disk.signed[held.account] = true
		return &record{ClientID: former.ClientID, AccountID: former.AccountID, StartedAt: former.StartedAt, SignedOutAt: w.hosts[0].now()}
	})
}

// tamper puts something else in the place of the record: nothing, when that is empty.
func (w *world) tamper(with string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.disk.tampered = true
	_ = w.disk.memory.Peer().Delete(context.Background())
	if with != "" {
		_ = w.disk.memory.Peer().Save(context.Background(), []byte(with))
	}
}

// tamperedLocked reports whether something was put in the place of the record.
func (w *world) tamperedLocked() bool { return w.disk.tampered }

// mend removes a record that nobody can read, as an operator would.
func (w *world) mend() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if data, err := w.disk.memory.Peer().Load(context.Background()); err == nil && parse(data) == nil {
		_ = w.disk.memory.Peer().Delete(context.Background())
	}
}
