package lifecycle

import "github.com/agsauth/agsauth/tokensource/internal/dualclock"

// TokenSet is the outcome of SetToken.
type TokenSet struct {
	Pair *Pair
	Save SaveResult
}

func (o TokenSet) apply(c *change) {
	if c.store != nil {
		c.store.phase = loaded
	}
	c.supersede(c.pair)
	saved := c.saved(o.Save)
	c.publish(o.Pair, EventTokenSet)
	c.emit(saved...)
}

// SignedOutHere is the outcome of SignOut, before anybody else knows of it.
type SignedOutHere struct{}

func (SignedOutHere) apply(c *change) {
	c.supersede(c.pair)
	c.pair, c.current, c.failure = nil, current{}, nil
	if st := c.store; st != nil {
		// Nothing is adopted from the store until the mark is there.
		st.phase, st.pending = loaded, SaveOverwrite
		st.saveAt, st.rereadAt = dualclock.Never(), dualclock.Never()
	}
	c.endSession(SignedOut, nil)
}
