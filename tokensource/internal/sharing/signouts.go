package sharing

import (
	"slices"
	"time"

	"github.com/agsauth/agsauth/ags"
	"github.com/agsauth/agsauth/tokensource/internal/dualclock"
)

// signOuts holds the pairs that the gateway must still be told to sign out, and when it
// is told next. The stored record holds the same pairs. A nil one is empty.
type signOuts struct {
	entries  []signOut
	failures int
	nextAt   dualclock.Deadline
}

type signOut struct {
	token *ags.Token
	state signOutState
}

type signOutState uint8

const (
	signOutNew    signOutState = iota // to be told; the stored record does not have the pair
	signOutStored                     // to be told; the stored record has the pair
	signOutTold                       // the gateway has answered; the stored record still has the pair
)

func (e *signOut) is(accessToken string) bool { return e.token.AccessToken.Reveal() == accessToken }

// with returns the pairs with one more. If there were none, the gateway is told at once.
func (q *signOuts) with(t *ags.Token, state signOutState) *signOuts {
	if q == nil {
		q = &signOuts{nextAt: dualclock.Always()}
	}
	if q.find(t.AccessToken.Reveal()) == nil {
		q.entries = append(q.entries, signOut{t, state})
	}
	return q
}

func (q *signOuts) find(accessToken string) *signOut {
	if q == nil {
		return nil
	}
	i := slices.IndexFunc(q.entries, func(e signOut) bool { return e.is(accessToken) })
	if i < 0 {
		return nil
	}
	return &q.entries[i]
}

// observe returns the pairs once the stored record is known to have exactly those in
// stored. Pairs that it had before were dealt with, here or by another process.
func (q *signOuts) observe(stored []storedPair) *signOuts {
	isStored := func(e signOut) bool {
		return slices.ContainsFunc(stored, func(p storedPair) bool { return e.is(p.AccessToken) })
	}
	if q != nil {
		q.entries = slices.DeleteFunc(q.entries, func(e signOut) bool { return e.state != signOutNew && !isStored(e) })
	}
	for _, pair := range stored {
		q = q.with(pair.token(), signOutStored)
		if e := q.find(pair.AccessToken); e.state == signOutNew {
			e.state = signOutStored
		}
	}
	return q.orNil()
}

// told returns the pairs after the gateway has answered for one. A pair that the stored
// record has is kept until it is taken out of that.
func (q *signOuts) told(accessToken string) *signOuts {
	switch e := q.find(accessToken); {
	case e == nil:
		return q
	case e.state == signOutStored:
		e.state = signOutTold
	case e.state == signOutNew:
		q.entries = slices.DeleteFunc(q.entries, func(e signOut) bool { return e.is(accessToken) })
	}
	return q.orNil()
}

func (q *signOuts) orNil() *signOuts {
	if q == nil || len(q.entries) == 0 {
		return nil
	}
	return q
}

// postpone notes that an attempt has left some pairs.
func (q *signOuts) postpone(now dualclock.Instant, retryWait func(failures int) time.Duration) {
	if q == nil {
		return
	}
	q.nextAt = now.Add(retryWait(q.failures)).Deadline()
	q.failures++
}

// pending returns the pairs that the gateway must still be told of. They go into every
// record that is saved.
func (q *signOuts) pending() []*ags.Token {
	if q == nil {
		return nil
	}
	var pairs []*ags.Token
	for _, e := range q.entries {
		if e.state != signOutTold {
			pairs = append(pairs, e.token)
		}
	}
	return pairs
}

// QueueSignOut notes pairs that the gateway must be told to sign out.
func (p *Protocol) QueueSignOut(pairs ...*ags.Token) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, t := range pairs {
		p.signOuts = p.signOuts.with(t, signOutNew)
	}
}

// PendingSignOuts returns the pairs that the gateway must still be told to sign out.
func (p *Protocol) PendingSignOuts() []*ags.Token {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.signOuts.pending()
}

// NextSignOut returns when the gateway is told next; Never if it knows of all.
func (p *Protocol) NextSignOut() dualclock.Deadline {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.signOuts == nil {
		return dualclock.Never()
	}
	return p.signOuts.nextAt
}

// PostponeSignOuts notes that an attempt to tell the gateway has failed.
func (p *Protocol) PostponeSignOuts() {
	now := p.now()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.signOuts.postpone(now, p.host.RetryWait)
}

// SignOutAnswered notes that the gateway has answered for a pair.
func (p *Protocol) SignOutAnswered(t *ags.Token) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.signOuts = p.signOuts.told(t.AccessToken.Reveal())
}

// NothingStored notes that there is no record any more that could hold a sign-out.
func (p *Protocol) NothingStored() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.signOuts = p.signOuts.observe(nil)
}
