package admission

import "time"

const (
	// failuresUntilAway is how many calls in a row must fail for the gateway to count as away.
	failuresUntilAway = 5
	// Two probes are at least probeGap apart; up to probeSpread is added at random, so
	// that processes do not probe together.
	probeGap    = time.Second
	probeSpread = 250 * time.Millisecond

	// After an outage the rate begins with this part of the whole, but with one start a
	// second at least, and doubles each second.
	rampPart     = 1.0 / 32
	rampDoubling = time.Second
	// rampRate stands for the whole rate if that is not limited.
	rampRate = 1000.0
	// A failure halves the rate, at most once in this time.
	slowDownGap = time.Second

	// maxPause is the longest Retry-After that is heeded.
	maxPause = 5 * time.Minute
)

// Answer is what a call of the gateway came to.
type Answer uint8

// The answers.
const (
	NotCalled   Answer = iota // the gateway was not called, or it is not known what it did
	Answered                  // the gateway has answered, whatever it said
	Unavailable               // the gateway could not be reached, or said that it cannot answer now
)

// Result is what an operation came to, as far as it tells about the gateway.
type Result struct {
	Answer     Answer
	RetryAfter time.Duration // how long the gateway asked to be left alone
	Err        error         // with Unavailable; for those who are held up
	Draw       float64       // from [0,1)
}

// health is how well the gateway answers.
type health struct {
	failures int   // in a row
	err      error // of the last one
	away     bool
	probing  bool          // a probe is under way
	probeAt  time.Duration // no probe before, while away
	pausedTo time.Duration // no start before: the gateway asked for it

	// part is the part of the rate that was used at partAt, and doubles from there. Zero
	// stands for the whole.
	part       float64
	partAt     time.Duration
	slowedDown time.Duration // when the rate was last halved
}

// note takes account of a result.
func (h *health) note(r Result, probe bool, now time.Duration) {
	if probe {
		h.probing = false
	}
	if r.RetryAfter > 0 {
		h.pausedTo = max(h.pausedTo, now+min(r.RetryAfter, maxPause))
		h.part, h.partAt, h.err = rampPart, h.pausedTo, r.Err
	}
	switch r.Answer {
	case NotCalled: // another probe may tell
	case Answered:
		if h.away {
			h.away, h.part, h.partAt = false, rampPart, max(now, h.pausedTo)
		}
		h.failures = 0
	case Unavailable:
		h.fail(r, now)
	}
}

func (h *health) fail(r Result, now time.Duration) {
	h.failures++
	h.err = r.Err
	gap := probeGap + time.Duration(r.Draw*float64(probeSpread))
	switch {
	case h.away:
		h.probeAt = max(h.probeAt, now+gap)
	case h.failures >= failuresUntilAway:
		h.away, h.probeAt = true, now+gap // a probe of a former outage may be under way still
	case r.RetryAfter == 0 && now >= h.slowedDown+slowDownGap:
		h.part, h.partAt, h.slowedDown = max(h.partNow(now)/2, rampPart), now, now
	}
}

// partNow returns the part of the rate that is used at now.
func (h *health) partNow(now time.Duration) float64 {
	if h.part == 0 {
		return 1
	}
	part := h.part
	for elapsed := now - h.partAt; elapsed >= rampDoubling && part < 1; elapsed -= rampDoubling {
		part *= 2
	}
	return min(part, 1)
}

// closed reports whether nothing but a probe is started, and until when at least.
func (h *health) closed(now time.Duration) (until time.Duration, closed bool) {
	switch {
	case now < h.pausedTo:
		return h.pausedTo, true
	case h.away && h.probing:
		return max(h.probeAt, now+probeGap), true
	case h.away:
		return max(h.probeAt, now), true
	default:
		return 0, false
	}
}
