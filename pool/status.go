package pool

import "github.com/agsauth/agsauth/tokensource"

// Status is a Pool at one moment. It has counts only.
type Status struct {
	// Resident is how many sessions are in memory, and Dormant how many are not and will be
	// brought there when something is due for them.
	Resident, Dormant int

	// Unknown, Fresh, Ageing, Expired and Ended are how many of those in memory are in that
	// phase. See [tokensource.Phase].
	Unknown, Fresh, Ageing, Expired, Ended int

	// Queued is how many of those in memory wait at the Gate, and Busy for how many a
	// refresh, a login or a call of the store is under way.
	Queued, Busy int
	// Unsaved is how many are not saved in the store as they are in memory.
	Unsaved int
	// Failing is for how many the last attempt has failed.
	Failing int
}

// Status counts the sessions. It looks at each one in memory, which takes about a second
// for a million. It delays nobody.
func (p *Pool) Status() Status {
	p.mu.Lock()
	st := Status{Dormant: p.schedule.dormant.len()}
	p.mu.Unlock()
	var sources []*tokensource.Source
	for i := range p.shards {
		sources = p.shards[i].sources(sources[:0])
		for _, src := range sources {
			st.add(src.Status())
		}
	}
	return st
}

// sources appends the Sources of a shard.
func (sh *shard) sources(all []*tokensource.Source) []*tokensource.Source {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	for _, e := range sh.entries {
		if src := e.live.Load(); src != nil {
			all = append(all, src)
		}
	}
	return all
}

func (s *Status) add(one tokensource.Status) {
	s.Resident++
	switch one.Phase {
	case tokensource.Unknown:
		s.Unknown++
	case tokensource.Fresh:
		s.Fresh++
	case tokensource.Ageing:
		s.Ageing++
	case tokensource.Expired:
		s.Expired++
	case tokensource.Ended:
		s.Ended++
	}
	for _, c := range []struct {
		count *int
		is    bool
	}{
		{&s.Queued, one.Queued}, {&s.Busy, one.Busy}, {&s.Unsaved, one.Unsaved}, {&s.Failing, one.Err != nil},
	} {
		if c.is {
			*c.count++
		}
	}
}
