package admission

import (
	"math"
	"time"
)

const (
	// The gateway counts as away after as many failures in a row as calls were answered in
	// the last second or two, but minFailures at least and maxFailures at most. At hundreds
	// of calls a second, of which one in five fails at random, five in a row are frequent;
	// ten are not.
	minFailures = 5
	maxFailures = 10
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
	// The rate is halved, at most once in slowDownGap, if more than one in
	// resultsPerFailure of the latest calls have failed.
	resultsPerFailure = 4
	slowDownGap       = time.Second

	// maxPause is the longest Retry-After that is heeded.
	maxPause = 5 * time.Minute
	// If the gateway asks for a pause while it answers others, the rate is too high for it.
	// Then it gets a ceiling: ceilingPart of the one before, but rampPart of the whole at
	// least. The ceiling doubles within growthPauses after the pause, each as long as that
	// one and at least minPause. It grows slowly at first: the one before is reached in the
	// second half of that time, so that there are few pauses.
	ceilingPart  = 0.8
	growthPauses = 32
	minPause     = 2 * time.Second
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
	// ceiling is the part of the rate that is not exceeded at ceilingAt. It is doubled at
	// doublesAt. Zero stands for the whole.
	ceiling              float64
	ceilingAt, doublesAt time.Duration

	latest tally
}

// tally counts the results of the last second or two.
type tally struct {
	since                    time.Duration // the second that is counted now
	answered, failed         int
	answeredThen, failedThen int // in the second before
}

func (t *tally) advance(now time.Duration) {
	switch elapsed := now - t.since; {
	case elapsed >= 2*time.Second:
		*t = tally{since: now}
	case elapsed >= time.Second:
		*t = tally{since: t.since + time.Second, answeredThen: t.answered, failedThen: t.failed}
	}
}

func (t *tally) answers() int { return t.answered + t.answeredThen }

// isFailing reports whether many of the latest calls have failed.
func (t *tally) isFailing() bool {
	failed := t.failed + t.failedThen
	return resultsPerFailure*failed > t.answers()+failed
}

// note takes account of a result.
func (h *health) note(r Result, probe bool, now time.Duration) {
	if probe {
		h.probing = false
	}
	h.latest.advance(now)
	if r.RetryAfter > 0 {
		h.pause(r, now)
	}
	switch r.Answer {
	case NotCalled: // another probe may tell
	case Answered:
		if h.away {
			h.away, h.part, h.partAt = false, rampPart, max(now, h.pausedTo)
		}
		h.failures = 0
		h.latest.answered++
	case Unavailable:
		h.fail(r, now)
	}
}

// pause heeds a Retry-After.
func (h *health) pause(r Result, now time.Duration) {
	length := min(r.RetryAfter, maxPause)
	end := max(h.pausedTo, now+length)
	switch {
	case now < h.pausedTo: // the call had begun before the pause, and tells nothing new
	case h.failures == 0:
		h.ceiling = max(h.limit(now)*ceilingPart, rampPart)
		h.ceilingAt, h.doublesAt = end, end+growthPauses*max(length, minPause)
	default: // the gateway answers nobody
		h.part, h.partAt = rampPart, end
	}
	h.pausedTo, h.err = end, r.Err
}

func (h *health) fail(r Result, now time.Duration) {
	h.failures++
	h.latest.failed++
	h.err = r.Err
	gap := probeGap + time.Duration(r.Draw*float64(probeSpread))
	switch {
	case h.away:
		h.probeAt = max(h.probeAt, now+gap)
	case h.failures >= min(max(minFailures, h.latest.answers()), maxFailures):
		h.away, h.probeAt = true, now+gap // a probe of a former outage may be under way still
	case r.RetryAfter == 0 && now >= h.slowedDown+slowDownGap && h.latest.isFailing():
		h.part, h.partAt, h.slowedDown = max(min(h.ramp(now), h.limit(now))/2, rampPart), now, now
	}
}

// isGrown reports whether the rate has grown to what the gateway seems to bear.
func (h *health) isGrown(now time.Duration) bool { return h.ramp(now) >= h.limit(now) }

// ramp returns the part of the rate that is used at now, if there is no ceiling.
func (h *health) ramp(now time.Duration) float64 {
	if h.part == 0 {
		return 1
	}
	part := h.part
	for elapsed := now - h.partAt; elapsed >= rampDoubling && part < 1; elapsed -= rampDoubling {
		part *= 2
	}
	return min(part, 1)
}

// limit returns the part of the rate that is not exceeded at now.
func (h *health) limit(now time.Duration) float64 {
	if h.ceiling == 0 {
		return 1
	}
	grown := max(0, float64(now-h.ceilingAt)/float64(h.doublesAt-h.ceilingAt))
	return min(1, h.ceiling*math.Exp2(grown*grown))
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
