package simulation

import (
	"errors"
	"math"
	"math/rand/v2"
	"time"

	"github.com/agsauth/agsauth/internal/refreshplan"
	"github.com/agsauth/agsauth/tokensource/internal/admission"
)

// The life of a token and what follows from it, as package lifecycle has it by default.
const (
	life   = time.Hour
	margin = 5 * time.Minute // and up to a fifth more at random
	slack  = time.Second     // a token is served until then before its expiry

	// A request without an answer is repeated once after firstTry.
	firstTry  = 10 * time.Second
	secondTry = 5 * time.Second

	firstBackoff = 250 * time.Millisecond
	liveCap      = 30 * time.Second
	deadCap      = 10 * time.Second
)

// Scenario is what happens to how many sessions.
type Scenario struct {
	Sessions int
	Gateway  Gateway
	// Limits are those of the gate. The zero value is none: each session by itself.
	Limits admission.Limits
	// Cohort says that all have signed on at the beginning. Otherwise they are refreshed at an
	// even rate at the beginning, as if they had signed on long ago.
	Cohort bool
	// Plain sessions refresh when their token has expired, and again each second until that
	// succeeds, as a cached token does that is asked for each second.
	Plain bool
	// Planned says that sessions are refreshed ahead of time, as package pool does it.
	Planned bool
	// InUse is the part of the sessions for which a caller waits once their token has expired.
	InUse float64
	For   time.Duration
	Seed  uint64
}

// Result is what has happened.
type Result struct {
	// Calls and Expired are the requests in each second, and the sessions whose access token
	// had expired at its end.
	Calls, Expired []int
	// Died counts the sessions whose token had expired at some time after all had one, and
	// Lost those that must sign on again, whether or not they have been told so.
	Died, Lost int
	// LongestDead is the longest time that a session was without a live token, of those whose
	// token has expired.
	LongestDead time.Duration
	// CaughtUp is when, after the gateway was back, no session was overdue any more; zero if
	// that has not happened.
	CaughtUp time.Duration
	// QueuedMost is how many have waited at the gate at most.
	QueuedMost int
}

// Between returns how many requests were made in a span of seconds.
func (r *Result) Between(from, to time.Duration) (n int) {
	for s := int(from / time.Second); s < int(to/time.Second) && s < len(r.Calls); s++ {
		n += r.Calls[s]
	}
	return n
}

// Busiest returns the requests of the busiest second from some time on.
func (r *Result) Busiest(from time.Duration) (most int) {
	for _, n := range r.Calls[int(from/time.Second):] {
		most = max(most, n)
	}
	return most
}

// ExpiredAt returns how many had expired at a time.
func (r *Result) ExpiredAt(at time.Duration) int { return r.Expired[int(at/time.Second)] }

// session is one session.
type session struct {
	expiry   time.Duration // of its access token
	ticket   *admission.Ticket
	failures int32
	state    uint8
	dead     bool // its access token has expired
	died     bool // that has happened before
	inUse    bool
	planned  int64
	redeemed bool // its single-use token was redeemed and the answer lost
}

// The states of a session.
const (
	resting uint8 = iota
	waiting       // at the gate
	calling
	repeating // a request that was not answered
	lost
)

// Run is a scenario that is played.
type Run struct {
	Scenario

	sessions []session
	events   events
	queue    admission.Queue
	random   *rand.Rand
	result   Result
	expired  int
	overdue  int // sessions that are due and have no new pair
	wakeAt   time.Duration

	plan    refreshplan.Plan
	planned [][]int32 // the sessions that are planned for each second
	next    int       // the second from which on to look for sessions to refresh early
}

var errAway = errors.New("away")

// Play plays a scenario.
func Play(s Scenario) Result {
	r := &Run{Scenario: s, sessions: make([]session, s.Sessions), random: rand.New(rand.NewPCG(s.Seed, 1)), wakeAt: admission.Never}
	seconds := int(s.For / time.Second)
	r.result.Calls, r.result.Expired = make([]int, seconds+1), make([]int, seconds+1)
	r.queue.SetLimits(s.Limits, 0)
	for i := range r.sessions {
		r.begin(int32(i))
	}
	r.events.push(event{at: time.Second, kind: secondEnds})
	for {
		e, ok := r.events.pop()
		if !ok || e.at > s.For {
			return r.finish()
		}
		r.handle(e)
	}
}

// finish returns the result, with the sessions whose token has expired and is still to be
// replaced.
func (r *Run) finish() Result {
	for i := range r.sessions {
		r.revive(&r.sessions[i], r.For)
	}
	return r.result
}

// The kinds of events.
const (
	due        uint8 = iota // a session is to be refreshed
	expires                 // its token expires
	granted                 // its request is granted
	refused                 // its request is refused, for now
	reused                  // its request is rejected: the refresh token was redeemed before
	unanswered              // its request has no answer in time
	secondEnds              //
	wake                    // the gate may let somebody start
)

func (r *Run) handle(e event) {
	s := &r.sessions[max(0, e.session)]
	switch e.kind {
	case due:
		r.due(e.session, e.at)
	case expires:
		if s.expiry-slack == e.at && s.state != lost {
			r.expire(s, e.at)
		}
	case granted:
		r.grant(e.session, e.at)
	case refused:
		r.fail(e.session, e.at, r.Gateway.RetryAfter)
	case reused:
		r.lose(e.session, e.at)
	case unanswered:
		r.repeat(e.session, e.at)
	case secondEnds:
		r.tick(e.at)
	case wake:
		if e.at == r.wakeAt {
			r.wakeAt = admission.Never
			r.pump(e.at)
		}
	}
}

// expire notes that the token of a session has expired.
func (r *Run) expire(s *session, now time.Duration) {
	r.expired++
	s.dead = true
	if !s.died {
		s.died = true
		r.result.Died++
	}
	if s.inUse && s.state == waiting {
		r.queue.Raise(s.ticket, admission.Asked, now)
		r.pump(now)
	}
}

// gated reports whether there is a gate.
func (r *Run) gated() bool { return r.Limits != admission.Limits{} }

// tick ends a second.
func (r *Run) tick(now time.Duration) {
	i := int(now/time.Second) - 1
	r.result.Expired[i] = r.expired
	r.result.QueuedMost = max(r.result.QueuedMost, r.queued())
	if r.Gateway.To > 0 && now > r.Gateway.To && r.result.CaughtUp == 0 && r.overdue <= int(max(r.Limits.PerSecond, 1)) {
		r.result.CaughtUp = now - r.Gateway.To
	}
	if r.Planned {
		r.early(now)
	}
	r.events.push(event{at: now + time.Second, kind: secondEnds})
}

// due begins the refresh of a session, or has it wait at the gate.
func (r *Run) due(i int32, now time.Duration) {
	s := &r.sessions[i]
	if s.state != resting {
		if s.ticket != nil && s.state == waiting {
			r.queue.Raise(s.ticket, admission.Due, now)
		}
		return
	}
	if s.failures == 0 {
		r.overdue++ // until it is granted
	}
	if !r.gated() {
		r.call(i, now)
		return
	}
	u := admission.Due
	if s.inUse && s.dead {
		u = admission.Asked
	}
	r.enter(i, now, u)
}

func (r *Run) enter(i int32, now time.Duration, u admission.Urgency) {
	s := &r.sessions[i]
	r.plan.Remove(s.planned)
	s.planned = 0
	s.state, s.ticket = waiting, &admission.Ticket{Owner: i, Urgency: u, Expiry: s.expiry - slack}
	if r.queue.Admit(s.ticket, now) {
		r.call(i, now)
	}
	r.pump(now)
}

// pump starts what the gate lets start.
func (r *Run) pump(now time.Duration) {
	if !r.gated() {
		return
	}
	for {
		t, wait := r.queue.Next(now)
		if t != nil {
			i, _ := t.Owner.(int32)
			r.call(i, now)
			continue
		}
		if wait != admission.Never && now+wait < r.wakeAt {
			r.wakeAt = now + max(wait, 1)
			r.events.push(event{at: r.wakeAt, kind: wake})
		}
		return
	}
}

// call sends the request of a session.
func (r *Run) call(i int32, now time.Duration) {
	r.sessions[i].state = calling
	r.request(i, now, firstTry)
}

// repeat sends the request of a session once more, if it was not repeated before.
func (r *Run) repeat(i int32, now time.Duration) {
	s := &r.sessions[i]
	if s.state == repeating || r.Plain {
		r.fail(i, now, 0)
		return
	}
	s.state = repeating
	if r.gated() {
		r.queue.Charge(now)
	}
	r.request(i, now, secondTry)
}

// request sends a request, and waits for the answer no longer than for a timeout.
func (r *Run) request(i int32, now, timeout time.Duration) {
	s := &r.sessions[i]
	r.count(now)
	reply := r.Gateway.request(now, r.random.Float64())
	e := event{at: reply.at, kind: refused, session: i}
	switch {
	case reply.at > now+timeout:
		e.at, e.kind = now+timeout, unanswered
		r.redeem(s, reply)
	case reply.granted && s.redeemed:
		e.kind = reused
	case reply.granted:
		e.kind = granted
	}
	r.events.push(e)
}

func (r *Run) count(now time.Duration) {
	if i := int(now / time.Second); i >= 0 && i < len(r.result.Calls) {
		r.result.Calls[i]++
	}
}

// redeem notes that the answer to a request is lost.
func (r *Run) redeem(s *session, unread reply) {
	if unread.granted && r.Gateway.SingleUse && !s.redeemed {
		s.redeemed = true
		r.result.Lost++
	}
}

// lose ends a session for good.
func (r *Run) lose(i int32, now time.Duration) {
	s := &r.sessions[i]
	r.revive(s, now)
	r.overdue--
	s.state = lost
	r.done(s, admission.Result{Answer: admission.Answered}, now)
}

// revive notes that the token of a session is not expired any more, or does not count.
func (r *Run) revive(s *session, now time.Duration) {
	if s.dead {
		r.result.LongestDead = max(r.result.LongestDead, now-(s.expiry-slack))
		s.dead = false
		r.expired--
	}
}

// grant gives a session a new pair.
func (r *Run) grant(i int32, now time.Duration) {
	s := &r.sessions[i]
	s.state = resting
	r.revive(s, now)
	r.overdue--
	r.done(s, admission.Result{Answer: admission.Answered}, now)
	r.schedule(i, now+life, r.before())
}

// fail has a session wait until its next attempt.
func (r *Run) fail(i int32, now, retryAfter time.Duration) {
	s := &r.sessions[i]
	s.state = resting
	s.failures++
	r.done(s, admission.Result{Answer: admission.Unavailable, Err: errAway, Draw: r.random.Float64(), RetryAfter: retryAfter}, now)
	wait := time.Second
	if !r.Plain {
		wait = max(backoff(int(s.failures), s.expiry-slack-now, r.random.Float64()), retryAfter)
	}
	r.events.push(event{at: now + wait, kind: due, session: i})
}

func (r *Run) done(s *session, result admission.Result, now time.Duration) {
	if s.ticket == nil {
		return
	}
	r.queue.Done(s.ticket, result, now)
	s.ticket = nil
	r.pump(now)
}

// begin gives a session its first pair.
func (r *Run) begin(i int32) {
	before, age := r.before(), time.Duration(0)
	r.sessions[i].inUse = r.random.Float64() < r.InUse
	if !r.Cohort {
		age = time.Duration(float64(life-before) * float64(i) / float64(r.Sessions))
	}
	r.schedule(i, life-age, before)
}

// before returns how long before its expiry a pair is due.
func (r *Run) before() time.Duration {
	if r.Plain {
		return 10 * time.Second
	}
	return margin + time.Duration(float64(margin)*r.random.Float64()/5)
}

func (r *Run) schedule(i int32, expiry, before time.Duration) {
	s := &r.sessions[i]
	s.expiry, s.failures = expiry, 0
	if r.Planned {
		r.planFor(i)
	}
	r.events.push(event{at: expiry - before, kind: due, session: i})
	r.events.push(event{at: expiry - slack, kind: expires, session: i})
}

func backoff(n int, left time.Duration, draw float64) time.Duration {
	limit := deadCap
	if left > 0 {
		limit = min(max(left/4, firstBackoff), liveCap)
	}
	wait := min(limit, firstBackoff<<min(n-1, 20))
	return time.Duration(float64(wait) * (0.75 + draw/2))
}

// plannedRate is the part of the rate that the plan counts on, and plannedMargin how long
// before the expiry of a token it has it refreshed.
const (
	plannedRate   = 0.8
	plannedMargin = 10 * time.Second
)

// planFor plans the refresh of a session. One that waits, or whose refresh has failed, is not
// planned.
func (r *Run) planFor(i int32) {
	s := &r.sessions[i]
	s.planned = r.plan.Add(seconds(s.expiry - plannedMargin))
	for int(s.planned) >= len(r.planned) {
		r.planned = append(r.planned, nil)
	}
	r.planned[s.planned] = append(r.planned[s.planned], i)
}

func seconds(d time.Duration) int64 { return int64(d / time.Second) }

// early refreshes sessions ahead of time, those that expire next.
func (r *Run) early(now time.Duration) {
	r.plan.Advance(seconds(now))
	rate, queued := r.queue.Rate(now), r.queued()
	if _, closed := r.queue.Closed(now); closed {
		return
	}
	n := min(r.plan.Owed(plannedRate*rate), int(math.Ceil(rate))-queued)
	for ; n > 0 && r.next < len(r.planned); r.next++ {
		for len(r.planned[r.next]) > 0 && n > 0 {
			i := r.planned[r.next][0]
			r.planned[r.next] = r.planned[r.next][1:]
			if s := &r.sessions[i]; s.state == resting && s.failures == 0 && int(s.planned) == r.next {
				r.overdue++
				r.enter(i, now, admission.Early)
				n--
			}
		}
		if n == 0 {
			return
		}
	}
}

// queued returns how many wait at the gate.
func (r *Run) queued() int { return r.queue.Counts().Waiting() }
