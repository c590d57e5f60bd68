package store

import "sync"

// maxNotices bounds what is kept for a caller who never asks.
const maxNotices = 16

// notices are what a store has noticed and repaired by itself. They are safe for
// concurrent use.
type notices struct {
	mu  sync.Mutex
	all []error // guarded by mu
}

// add keeps a notice, unless one that says the same is there, or there are too many.
func (n *notices) add(notice error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, known := range n.all {
		if known.Error() == notice.Error() {
			return
		}
	}
	if len(n.all) < maxNotices {
		n.all = append(n.all, notice)
	}
}

// take returns the notices, and forgets them.
func (n *notices) take() []error {
	n.mu.Lock()
	defer n.mu.Unlock()
	all := n.all
	n.all = nil
	return all
}
