package tokensource

import (
	"slices"

	"github.com/agsauth/agsauth/ags"
	"github.com/agsauth/agsauth/tokensource/internal/dualclock"
)

// signOutQueue holds the pairs that the gateway is still to be told to sign out, and
// when it is told next. A nil queue is empty. It is guarded by Source.mu.
//
// The stored record holds the same pairs, so that a process that dies before the
// gateway has answered leaves them to whoever reads the record next.
type signOutQueue struct {
	entries  []signOutEntry
	failures int
	nextAt   dualclock.Deadline
}

// signOutEntry is one pair of a signOutQueue.
type signOutEntry struct {
	token *ags.Token
	state signOutState
}

// is reports whether the entry is of a pair with this access token.
func (e *signOutEntry) is(accessToken string) bool {
	return e.token.AccessToken.Reveal() == accessToken
}

type signOutState uint8

const (
	signOutNew    signOutState = iota // the gateway is to be told; the stored record does not have the pair
	signOutStored                     // the gateway is to be told; the stored record has the pair
	signOutTold                       // the gateway has answered; the pair is to be taken out of the record
)

// add returns the queue with a further pair, of which the gateway is told at once.
func (q *signOutQueue) add(t *ags.Token) *signOutQueue {
	return q.with(signOutEntry{token: t, state: signOutNew})
}

func (q *signOutQueue) with(e signOutEntry) *signOutQueue {
	if q == nil {
		q = &signOutQueue{nextAt: dualclock.Always()}
	}
	if q.find(e.token.AccessToken.Reveal()) == nil {
		q.entries = append(q.entries, e)
	}
	return q
}

func (q *signOutQueue) find(accessToken string) *signOutEntry {
	if q == nil {
		return nil
	}
	i := slices.IndexFunc(q.entries, func(e signOutEntry) bool { return e.is(accessToken) })
	if i < 0 {
		return nil
	}
	return &q.entries[i]
}

// observe returns the queue as it is once the stored record is known to have exactly
// these pairs: what another process has told the gateway meanwhile is not in it any
// more, and neither is what this one has told and taken out of the record.
func (q *signOutQueue) observe(stored []storedPair) *signOutQueue {
	isStored := func(e signOutEntry) bool {
		return slices.ContainsFunc(stored, func(p storedPair) bool { return e.is(p.AccessToken) })
	}
	if q != nil {
		q.entries = slices.DeleteFunc(q.entries, func(e signOutEntry) bool { return e.state != signOutNew && !isStored(e) })
	}
	for _, pair := range stored {
		q = q.with(signOutEntry{token: pair.token(), state: signOutStored})
		if e := q.find(pair.AccessToken); e.state == signOutNew {
			e.state = signOutStored
		}
	}
	return q.orNil()
}

// told returns the queue after the gateway has answered for a pair. One that the stored
// record has is kept until it is taken out of that.
func (q *signOutQueue) told(accessToken string) *signOutQueue {
	e := q.find(accessToken)
	if e == nil {
		return q
	}
	if e.state == signOutStored {
		e.state = signOutTold
	}
	q.entries = slices.DeleteFunc(q.entries, func(e signOutEntry) bool {
		return e.state == signOutNew && e.is(accessToken)
	})
	return q.orNil()
}

func (q *signOutQueue) orNil() *signOutQueue {
	if q == nil || len(q.entries) == 0 {
		return nil
	}
	return q
}

// postpone notes that an attempt has left something in the queue.
func (q *signOutQueue) postpone(now dualclock.Instant) {
	if q == nil {
		return
	}
	q.nextAt = now.Add(saveRetryWait(q.failures)).Deadline()
	q.failures++
}

// pending returns the pairs that the gateway is still to be told of: those that the
// stored record must have.
func (q *signOutQueue) pending() []*ags.Token {
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
