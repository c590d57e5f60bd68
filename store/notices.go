package store

import "sync"

// maxNotices limits the memory of a store whose Notices are never read.
const maxNotices = 16

// notices collects what a store repaired by itself. It is safe for concurrent use.
type notices struct {
	mu  sync.Mutex
	all []error // guarded by mu
}

// add adds a notice. It drops duplicates, and all notices beyond maxNotices.
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

// take removes all notices and returns them.
func (n *notices) take() []error {
	n.mu.Lock()
	defer n.mu.Unlock()
	all := n.all
	n.all = nil
	return all
}
