package lifecycle

// supersede notes that the current pair is replaced by one that is not saved yet.
func (c *change) supersede(p *Pair) {
	if c.store != nil && p != nil {
		c.store.superseded = &superseded{p.Tokens.Fingerprint(), c.store.superseded}
	}
}

// yieldToStored makes what is to be saved give way to what others have stored.
func (c *change) yieldToStored() { c.store.pending = min(c.store.pending, SaveRetry) }

// SaveResult is how a save went. It is ignored without a store.
type SaveResult struct {
	Generation int64 // of what was saved
	Err        error // nil if it was
	// Overwrite is set for an explicit SetToken or SignOut, which is saved over whatever
	// is stored.
	Overwrite bool
}

// saved notes how a save went, and returns the events to announce once what was saved is
// published.
func (c *change) saved(r SaveResult) []Event {
	st := c.store
	if st == nil {
		return nil
	}
	if r.Err == nil {
		former := st.pending
		st.generation, st.pending, st.saveFailures, st.superseded = r.Generation, SaveNothing, 0, nil
		if former != SaveNothing {
			return []Event{{Kind: EventSaved}}
		}
		return nil
	}
	st.pending = max(st.pending, SaveRetry)
	if r.Overwrite {
		st.pending = SaveOverwrite
	}
	next := c.now.Add(SaveRetryWait(int(st.saveFailures)))
	st.saveAt = next.Deadline()
	st.saveFailures++
	return []Event{{Kind: EventStoreFailed, Err: r.Err, NextAt: next.Wall}}
}

// Saved is the outcome of a save of what is in memory.
type Saved struct{ SaveResult }

func (o Saved) apply(c *change) { c.emit(c.saved(o.SaveResult)...) }

// ConfigTokenSaved is the outcome when Config.Token was saved, or could not be, at the
// first load.
type ConfigTokenSaved struct{ SaveResult }

func (o ConfigTokenSaved) apply(c *change) {
	c.store.phase = loaded
	c.forgetLoadFailure()
	c.emit(c.saved(o.SaveResult)...)
}

// MarkSaved is the outcome when the mark of a sign-out was saved, or could not be.
type MarkSaved struct{ SaveResult }

func (o MarkSaved) apply(c *change) {
	c.rereadLater()
	first := c.store.saveFailures == 0
	if events := c.saved(o.SaveResult); o.Err != nil || !first {
		c.emit(events...) // no EventSaved unless a save has failed before
	}
}

// MarkReplaces is the outcome when the mark of a sign-out takes the place of a record of
// this device. Before the first load nobody knows yet whose session it is.
type MarkReplaces struct{ Device Device }

func (o MarkReplaces) apply(c *change) {
	if c.device == (Device{}) {
		c.device = o.Device
	}
}
