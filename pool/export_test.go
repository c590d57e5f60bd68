package pool

// Unpolled returns how many sessions wait to be polled.
func (p *Pool) Unpolled() int {
	p.changes.mu.Lock()
	defer p.changes.mu.Unlock()
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.changes.entries) + p.schedule.residents() - p.schedule.due.len()
}

// CloseForEviction closes the Source of a session as its eviction does.
func (p *Pool) CloseForEviction(key string) {
	if p.enter() {
		defer p.group.Done()
		p.closeSaved(p.shard(key).entries[key].live.Swap(nil))
	}
}
