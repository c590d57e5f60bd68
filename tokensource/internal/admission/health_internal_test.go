package admission

import (
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var errDown = errors.New("down")

func failure(retryAfter time.Duration) Result {
	return Result{Answer: Unavailable, Err: errDown, RetryAfter: retryAfter}
}

var answered = Result{Answer: Answered}

// withCalls returns a Queue with so many calls under way, and the calls.
func withCalls(t *testing.T, n int, l Limits) (q *Queue, calls []*Ticket) {
	t.Helper()
	q = &Queue{}
	for range n {
		call := &Ticket{Urgency: Due, Expiry: time.Hour}
		require.True(t, q.Admit(call, 0))
		calls = append(calls, call)
	}
	q.SetLimits(l, 0)
	return q, calls
}

func TestHealth_AwayAfterFiveFailuresInARow(t *testing.T) {
	var h health
	for i := range 4 {
		h.note(failure(0), false, time.Duration(i))
	}
	h.note(answered, false, 4)
	for i := range 4 {
		h.note(failure(0), false, time.Duration(5+i))
		require.False(t, h.away)
	}
	h.note(Result{Draw: 0.5, Answer: Unavailable}, false, time.Minute)
	require.True(t, h.away)
	until, closed := h.closed(time.Minute)
	assert.True(t, closed)
	assert.Equal(t, time.Minute+1125*time.Millisecond, until, "a second, and half of the spread")
}

// Where many are answered, five failures in a row are an accident.
func TestHealth_AwayTakesMoreFailuresWhereManyAreAnswered(t *testing.T) {
	for answers, want := range map[int]int{0: 5, 4: 5, 7: 7, 10: 10, 1000: 10} {
		var h health
		for range answers {
			h.note(answered, false, time.Second)
		}
		for range want - 1 {
			h.note(failure(0), false, time.Second)
		}
		require.False(t, h.away, "%d answers", answers)
		h.note(failure(0), false, time.Second)
		require.True(t, h.away, "%d answers", answers)
	}
}

func TestHealth_OldAnswersDoNotCount(t *testing.T) {
	var h health
	for range 640 {
		h.note(answered, false, time.Second)
	}
	for range 5 {
		h.note(failure(0), false, 3*time.Second)
	}
	require.True(t, h.away)
}

func TestHealth_RampAfterAnOutage(t *testing.T) {
	h := health{away: true, probing: true}
	h.note(answered, true, 0)
	for at, want := range map[time.Duration]float64{
		0: 1.0 / 32, 999 * time.Millisecond: 1.0 / 32, time.Second: 1.0 / 16, 4 * time.Second: 0.5,
		4999 * time.Millisecond: 0.5, 5 * time.Second: 1, time.Hour: 1,
	} {
		assert.InDelta(t, want, h.partNow(at), 0, at)
		assert.Equal(t, want == 1, h.isGrown(at), at)
	}
}

// More than one failure in four slows down, once a second.
func TestHealth_FailuresHalveTheRate(t *testing.T) {
	for _, tt := range []struct {
		answered, failed int
		want             float64
	}{{0, 1, 0.5}, {2, 1, 0.5}, {3, 1, 1}, {4, 1, 1}, {0, 4, 0.5}, {80, 20, 1}, {70, 30, 0.5}} {
		var h health
		for range tt.answered {
			h.note(answered, false, time.Minute)
		}
		for i := range tt.failed {
			h.note(failure(0), false, time.Minute)
			if i%4 == 3 {
				h.failures = 0 // not in a row
			}
		}
		assert.InDelta(t, tt.want, h.partNow(time.Minute), 0, "%d of %d", tt.failed, tt.failed+tt.answered)
	}
}

// partNow returns the part of the rate that is used.
func (h *health) partNow(now time.Duration) float64 { return min(h.ramp(now), h.limit(now)) }

// wantParts checks which part of the rate is used at some times.
func wantParts(t *testing.T, h *health, parts map[time.Duration]float64) {
	t.Helper()
	for at, want := range parts {
		assert.InDelta(t, want, h.partNow(at), 1e-9, at)
	}
}

func TestHealth_RetryAfterOfAGatewayThatAnswers(t *testing.T) {
	var h health
	h.note(failure(10*time.Second), false, 0)
	until, closed := h.closed(9 * time.Second)
	assert.True(t, closed)
	assert.Equal(t, 10*time.Second, until)
	_, closed = h.closed(10 * time.Second)
	assert.False(t, closed)
	const doubles = 10*time.Second + 320*time.Second
	wantParts(t, &h, map[time.Duration]float64{10 * time.Second: 0.8, 90 * time.Second: 0.8 * math.Exp2(1.0/16), doubles: 1, time.Hour: 1})
	assert.Less(t, h.partNow(170*time.Second), 1.0)
	assert.True(t, h.isGrown(time.Minute), "as far as the gateway bears it")

	h.note(answered, false, 4*time.Second)
	h.note(failure(5*time.Second), false, 5*time.Second)
	wantParts(t, &h, map[time.Duration]float64{10 * time.Second: 0.8}) // that call had begun before the pause
	h.note(answered, false, 11*time.Second)
	h.note(failure(time.Second), false, 20*time.Second)
	begins, doubled := 21*time.Second, 85*time.Second
	assert.InDelta(t, 0.64, h.partNow(begins), 0.001)
	assert.InDelta(t, 1, h.partNow(doubled), 0, "short pauses count as one of two seconds")
}

// When nobody is answered a Retry-After tells nothing about the rate.
func TestHealth_RetryAfterInAnOutage(t *testing.T) {
	var h health
	for i := range 20 {
		h.note(failure(time.Minute), i > 5, time.Duration(i)*time.Minute)
	}
	require.True(t, h.away)
	h.note(answered, true, 21*time.Minute)
	wantParts(t, &h, map[time.Duration]float64{21 * time.Minute: rampPart, 21*time.Minute + 5*time.Second: 1})
}

func TestHealth_RetryAfterHasBounds(t *testing.T) {
	var h health
	h.note(failure(time.Hour), false, 10*time.Minute)
	until, _ := h.closed(10 * time.Minute)
	assert.Equal(t, 15*time.Minute, until)
	for i := range 100 {
		now := time.Hour + time.Duration(3*i)*time.Second
		h.note(answered, false, now)
		h.note(failure(time.Second), false, now)
	}
	assert.InDelta(t, rampPart, h.partNow(time.Hour+298*time.Second), 0.01)
	assert.InDelta(t, 1, h.partNow(2*time.Hour), 0)
}

// A probe that has called nobody leaves the next one to the time after the last failure.
func TestQueue_AProbeThatIsNotMadeDoesNotHastenTheNext(t *testing.T) {
	q, calls := withCalls(t, 6, Limits{})
	for _, c := range calls[:5] {
		q.Done(c, failure(0), 0)
	}
	require.True(t, q.IsAway())
	probe := &Ticket{Urgency: Due}
	require.True(t, q.Admit(probe, 2*time.Second))
	q.Done(calls[5], failure(0), 2*time.Second)
	q.Done(probe, Result{}, 2*time.Second)
	next := &Ticket{Urgency: Due}
	require.False(t, q.Admit(next, 2*time.Second))
	_, wait := q.Next(2 * time.Second)
	assert.Equal(t, time.Second, wait)
}

// A probe takes long. Meanwhile the gateway is back, and away again.
func TestQueue_OneProbeAtATimeThroughTwoOutages(t *testing.T) {
	q, calls := withCalls(t, 11, Limits{})
	for _, c := range calls[:5] {
		q.Done(c, failure(0), 0)
	}
	probe := &Ticket{Urgency: Due}
	require.True(t, q.Admit(probe, 2*time.Second))
	q.Done(calls[5], answered, 3*time.Second)
	require.False(t, q.IsAway())
	for _, c := range calls[6:] {
		q.Done(c, failure(0), 4*time.Second)
	}
	require.True(t, q.IsAway())
	next := &Ticket{Urgency: Due}
	require.False(t, q.Admit(next, time.Minute), "the first probe is under way")
	_, wait := q.Next(time.Minute)
	assert.Equal(t, Never, wait)
	q.Done(probe, failure(0), time.Minute)
	_, wait = q.Next(time.Minute)
	assert.Equal(t, time.Second, wait)
	started, _ := q.Next(time.Minute + time.Second)
	assert.Same(t, next, started)
}

func TestPace(t *testing.T) {
	for _, rate := range []float64{0.1, 0.5, 1, 2, 7, 49, 50, 500, 10_000} {
		for _, late := range []time.Duration{0, time.Millisecond} {
			var p pace
			var starts []time.Duration
			now := time.Hour
			for range 3 * int(max(rate, 2)) {
				at := max(now, p.startAt(rate))
				now = at + late
				p.start(rate, now)
				starts = append(starts, now)
			}
			n := int(max(rate, 1))
			for i := n; i < len(starts); i++ {
				require.GreaterOrEqual(t, starts[i]-starts[i-n], min(time.Second, time.Duration(float64(time.Second)/rate*float64(n))), "%v a second", rate)
			}
			if took := (now - time.Hour).Seconds(); late == 0 {
				assert.LessOrEqual(t, took, 3*max(rate, 2)/rate*1.02, "%v a second", rate)
			}
		}
	}
}

// Timers may be as late as that without a loss.
func TestPace_LateTimersCostNothing(t *testing.T) {
	var p pace
	now := time.Duration(0)
	for range 5000 {
		now = max(now, p.startAt(500))
		if now == p.startAt(500) {
			now += lateness - time.Millisecond
		}
		p.start(500, now)
	}
	assert.InDelta(t, 10*(time.Second+lateness).Seconds(), now.Seconds(), 0.03)
}

func TestPace_SetRate(t *testing.T) {
	var p pace
	p.start(0.01, 0)
	assert.Equal(t, 100*time.Second, p.startAt(0.01))
	p.setRate(1, 10*time.Second)
	assert.Equal(t, 11*time.Second, p.startAt(1))
	p.setRate(0, 10*time.Second)
	assert.LessOrEqual(t, p.startAt(1), 10*time.Second, "nothing is left of the former limit")
}

func TestPace_WithoutOverflow(t *testing.T) {
	var p pace
	for range 5 {
		p.start(1e-300, time.Hour)
		require.Positive(t, p.due)
	}
}

func TestHeap(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var h heap
	var in []*Ticket
	for i := range 3000 {
		if len(in) > 0 && (r.IntN(5) < 2 || i > 2000 && r.IntN(5) < 4) {
			j := r.IntN(len(in))
			h.remove(in[j])
			require.Nil(t, in[j].in)
			in = slices.Delete(in, j, j+1)
		} else {
			x := &Ticket{key: time.Duration(r.IntN(50)), arrival: uint64(i)}
			h.push(x)
			in = append(in, x)
		}
		require.Len(t, h.tickets, len(in))
		least := (*Ticket)(nil)
		for _, x := range in {
			require.Same(t, x, h.tickets[x.index])
			if before(x, least) {
				least = x
			}
		}
		require.Same(t, least, h.first())
		require.LessOrEqual(t, cap(h.tickets), max(128, 5*len(in)), "what was needed once is given back")
	}
}
