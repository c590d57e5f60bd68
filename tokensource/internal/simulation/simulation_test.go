package simulation_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/agsauth/agsauth/tokensource/internal/admission"
	"github.com/agsauth/agsauth/tokensource/internal/simulation"
)

// The outage of most tests begins after an hour.
const down = time.Hour

// small is twenty thousand sessions, which need six refreshes a second, and a gateway that
// is good for 3.3 times that and is away for five minutes.
func small() simulation.Scenario {
	up := down + 5*time.Minute
	return simulation.Scenario{Sessions: 20_000, For: up + 40*time.Minute, Gateway: simulation.Gateway{PerSecond: 20, From: down, To: up}}
}

// smaller is a quarter of small, for sessions without a gate: they make very many calls.
func smaller() simulation.Scenario {
	s := small()
	s.Sessions, s.Gateway.PerSecond = s.Sessions/4, s.Gateway.PerSecond/4
	return s
}

// large is a million sessions behind a gate of 500 a second.
func large(t *testing.T, outage time.Duration) simulation.Scenario {
	t.Helper()
	if testing.Short() {
		t.Skip("a million sessions take seconds")
	}
	up := down + outage
	return simulation.Scenario{
		Sessions: 1_000_000, For: up + 75*time.Minute, Gateway: simulation.Gateway{PerSecond: 600, From: down, To: up},
		Limits: limits(500), Planned: true,
	}
}

func limits(perSecond float64) admission.Limits {
	return admission.Limits{PerSecond: perSecond, Concurrent: 64}
}

// scaled is sessions that need three fifths of what their gate lets start, as a million do
// behind one of 500 a second. Their gateway is good for twice the limit.
func scaled(perSecond float64) simulation.Scenario {
	return simulation.Scenario{
		Sessions: int(2000 * perSecond), For: 100 * time.Minute, Gateway: simulation.Gateway{PerSecond: 2 * perSecond},
		Limits: limits(perSecond), Planned: true,
	}
}

// play plays a scenario with several seeds, and checks each result.
func play(t *testing.T, s simulation.Scenario, check func(t *testing.T, r simulation.Result)) {
	t.Helper()
	seeds := uint64(3)
	if testing.Short() {
		seeds = 1
	}
	for s.Seed = range seeds {
		t.Run(fmt.Sprintf("%d sessions, seed %d", s.Sessions, s.Seed), func(t *testing.T) {
			check(t, simulation.Play(s))
		})
	}
}

// slowToo returns a rate for a scenario, and a slower one if there is time.
func slowToo(perSecond, slower float64) []float64 {
	if testing.Short() {
		return []float64{perSecond}
	}
	return []float64{perSecond, slower}
}

// expiredPart returns the part of the sessions whose access token has expired at the end.
func expiredPart(s simulation.Scenario, r simulation.Result) float64 {
	return float64(r.ExpiredAt(s.For-2*time.Second)) / float64(s.Sessions)
}

func TestOutage_UngatedSessionsKeepTheGatewayDown(t *testing.T) {
	s := small()
	r := simulation.Play(s)
	assert.InDelta(t, 0.71, expiredPart(s, r), 0.05, "forty minutes after the outage")
	assert.Zero(t, r.CaughtUp)
	assert.Greater(t, r.Between(down, s.Gateway.To), 20_000)
}

func TestOutage_PlainTokenCachesKeepTheGatewayDown(t *testing.T) {
	s := smaller()
	s.Plain = true
	r := simulation.Play(s)
	assert.Greater(t, expiredPart(s, r), 0.6)
	assert.Greater(t, r.Between(down, s.Gateway.To), 50_000)
}

func TestOutage_BehindTheGateNobodyExpires(t *testing.T) {
	s := small()
	s.Limits = limits(18)
	play(t, s, func(t *testing.T, r simulation.Result) {
		assert.LessOrEqual(t, r.Died, 2)
		assert.Zero(t, r.Lost)
		assert.LessOrEqual(t, r.Between(down, s.Gateway.To), 300, "calls while the gateway is away")
		assert.LessOrEqual(t, r.Busiest(0), 18)
		assert.Less(t, r.CaughtUp, 3*time.Minute)
	})
}

// A gateway that hangs has used no refresh token, but the last probe may take 15 seconds.
func TestOutage_OfAGatewayThatHangs(t *testing.T) {
	s := small()
	s.Limits, s.Gateway.Hangs, s.Gateway.SingleUse = limits(18), true, true
	play(t, s, func(t *testing.T, r simulation.Result) {
		assert.LessOrEqual(t, r.Died, 60)
		assert.Zero(t, r.Lost)
		assert.LessOrEqual(t, r.Between(down, s.Gateway.To), 200)
		assert.Less(t, r.CaughtUp, 4*time.Minute)
	})
}

// A gateway that is away and asks for pauses says nothing about the rate that it bears.
func TestOutage_WithRetryAfter(t *testing.T) {
	for _, retryAfter := range []time.Duration{time.Second, 30 * time.Second, time.Minute} {
		for _, perSecond := range slowToo(6, 2) {
			s := scaled(perSecond)
			s.Gateway.From, s.Gateway.To, s.Gateway.RetryAfter = 10*time.Minute, 15*time.Minute, retryAfter
			play(t, s, func(t *testing.T, r simulation.Result) {
				assert.LessOrEqual(t, r.Died, 5, retryAfter)
				assert.Less(t, r.CaughtUp, 15*time.Minute, retryAfter)
			})
		}
	}
}

// Callers wait for half of the sessions, once these have expired. The others do not starve.
func TestOutage_CallersWait(t *testing.T) {
	s := scaled(10)
	s.For, s.Gateway.From, s.Gateway.To, s.InUse = 2*time.Hour, down, down+15*time.Minute, 0.5
	play(t, s, func(t *testing.T, r simulation.Result) {
		assert.Zero(t, r.Lost)
		assert.Zero(t, r.ExpiredAt(s.For-2*time.Second))
		assert.LessOrEqual(t, r.Busiest(0), 10)
		assert.Less(t, r.LongestDead, 40*time.Minute)
	})
}

func TestOutage_OfAGatewayThatSheds(t *testing.T) {
	s := small()
	s.Limits, s.Gateway.Sheds = limits(18), true
	r := simulation.Play(s)
	assert.Zero(t, r.Died)
	assert.Less(t, r.CaughtUp, 3*time.Minute)
}

// A limit that is somewhat too high is no disaster.
func TestOutage_OfAGatewayThatIsGoodForLessThanTheLimit(t *testing.T) {
	for name, sheds := range map[string]bool{"sheds": true, "first come, first served": false} {
		s := small()
		s.Limits, s.Gateway.Sheds, s.Gateway.PerSecond = limits(20), sheds, 17
		r := simulation.Play(s)
		assert.Zero(t, r.Died, name)
		assert.Less(t, r.CaughtUp, 4*time.Minute, name)
	}
}

func TestOutage_SingleUseTokens(t *testing.T) {
	s := smaller()
	s.Gateway.SingleUse = true
	ungated := simulation.Play(s)
	assert.Greater(t, ungated.Lost, s.Sessions/2, "an answer that comes too late is a lost session")
	s.Limits = limits(4.5)
	gated := simulation.Play(s)
	assert.Zero(t, gated.Lost)
	assert.Zero(t, gated.Died)
}

func TestOutage_AMillionForFiveMinutes(t *testing.T) {
	s := large(t, 5*time.Minute)
	r := simulation.Play(s)
	assert.LessOrEqual(t, r.Between(down, s.Gateway.To), 300)
	assert.LessOrEqual(t, r.Busiest(0), 500, "in the next hour, too")
	assert.LessOrEqual(t, r.Died, 20)
	assert.Zero(t, r.Lost)
	assert.LessOrEqual(t, r.CaughtUp, 500*time.Second)
}

func TestOutage_AMillionForAQuarterOfAnHour(t *testing.T) {
	s := large(t, 15*time.Minute)
	r := simulation.Play(s)
	assert.Zero(t, r.Lost)
	assert.LessOrEqual(t, r.Busiest(0), 500)
	assert.LessOrEqual(t, r.Died, 180_000, "those that were to live longest wait")
	assert.Zero(t, r.ExpiredAt(s.For-2*time.Second))
}

// cohort is sessions that have all signed on at once, and a gateway that is good for ten
// times what they need.
func cohort() simulation.Scenario {
	return simulation.Scenario{Sessions: 20_000, Cohort: true, For: 150 * time.Minute, Gateway: simulation.Gateway{PerSecond: 60}}
}

func TestCohort_UngatedSessionsBringTheGatewayDown(t *testing.T) {
	s := cohort()
	s.Sessions, s.Gateway.PerSecond, s.For = s.Sessions/4, s.Gateway.PerSecond/4, 80*time.Minute
	assert.Greater(t, expiredPart(s, simulation.Play(s)), 0.95, "without any outage")
}

func TestCohort_BehindTheGateNobodyExpires(t *testing.T) {
	s := cohort()
	s.Limits, s.Planned = limits(55), true
	r := simulation.Play(s)
	assert.Zero(t, r.Died)
	assert.LessOrEqual(t, r.Busiest(0), 55)
}

func TestCohort_AMillion(t *testing.T) {
	s := large(t, 0)
	s.Cohort, s.For, s.Gateway.From, s.Gateway.To = true, 130*time.Minute, 0, 0
	r := simulation.Play(s)
	assert.Zero(t, r.Died)
	assert.LessOrEqual(t, r.Busiest(0), 500)
}

// A gateway that fails some of its calls is not overloaded.
func TestGateway_FailsAtRandom(t *testing.T) {
	for _, part := range []float64{0.01, 0.03, 0.1, 0.2} {
		for _, perSecond := range slowToo(6, 2) {
			s := scaled(perSecond)
			s.Gateway.Fails = part
			play(t, s, func(t *testing.T, r simulation.Result) {
				assert.LessOrEqual(t, r.Died, 5, "%v of the calls fail", part)
			})
		}
	}
	if testing.Short() {
		return
	}
	s := scaled(100)
	s.Gateway.Fails, s.For = 0.2, time.Hour
	assert.LessOrEqual(t, simulation.Play(s).Died, 5, "at many calls a second")
}

// retryAfters returns what a gateway that sheds may ask for.
func retryAfters() []time.Duration {
	if testing.Short() {
		return []time.Duration{0, 5 * time.Second}
	}
	return []time.Duration{0, time.Second, 5 * time.Second, 30 * time.Second}
}

// A gateway that bears less than the limit is used to what it bears, whatever it asks for.
func TestGateway_ShedsBelowTheLimit(t *testing.T) {
	for _, part := range []float64{0.9, 0.7} {
		for _, retryAfter := range retryAfters() {
			for _, perSecond := range slowToo(6, 1) {
				s := scaled(perSecond)
				s.Gateway.Sheds, s.Gateway.PerSecond, s.Gateway.RetryAfter = true, part*perSecond, retryAfter
				play(t, s, func(t *testing.T, r simulation.Result) {
					assert.Zero(t, r.Died, "%v of the limit, after %v", part, retryAfter)
				})
			}
		}
	}
}

// All that it can bear is needed for hours.
func TestGateway_ShedsBelowTheLimitACohort(t *testing.T) {
	for _, retryAfter := range retryAfters() {
		s := scaled(6)
		s.Cohort, s.Gateway.Sheds, s.Gateway.PerSecond, s.Gateway.RetryAfter = true, true, 5.4, retryAfter
		most := 0
		if retryAfter > 5*time.Second { // the plan does not count on the pauses
			most = s.Sessions / 100
		}
		play(t, s, func(t *testing.T, r simulation.Result) {
			assert.LessOrEqual(t, r.Died, most, retryAfter)
			assert.Zero(t, r.ExpiredAt(s.For-2*time.Second), retryAfter)
		})
	}
}

// When the living sessions need the whole rate, each expired one gets its turn all the same.
func TestOverload_TheExpiredDoNotStarve(t *testing.T) {
	for _, load := range []float64{1, 1.1} {
		s := simulation.Scenario{Sessions: 20_000, For: 4 * time.Hour, Gateway: simulation.Gateway{PerSecond: 20, From: down, To: down + 15*time.Minute}}
		s.Limits = limits(20_000 / 3270.0 / load)
		play(t, s, func(t *testing.T, r simulation.Result) {
			assert.Less(t, r.LongestDead, 2*time.Hour, "%v of the rate", load)
		})
	}
}

// Nothing is refreshed ahead of time if what is to come fits.
func TestPlan_DoesNothingWhereItIsNotNeeded(t *testing.T) {
	s := small()
	s.Limits, s.Gateway.From, s.Gateway.To = limits(18), 0, 0
	without := simulation.Play(s)
	s.Planned = true
	with := simulation.Play(s)
	assert.Equal(t, without.Between(0, s.For), with.Between(0, s.For))
}

// Retry-After of one session is heeded by all.
func TestRetryAfter_OfOneIsForAll(t *testing.T) {
	s := small()
	s.Limits, s.Gateway.RetryAfter = limits(18), time.Minute
	r := simulation.Play(s)
	assert.LessOrEqual(t, r.Between(down, s.Gateway.To), 5*64, "a minute apart")
	assert.LessOrEqual(t, r.Between(down+time.Second, s.Gateway.To), 60)
	assert.Zero(t, r.Lost)
}

// What docs/ten-million-sessions.md says about one of eight processes of a region.
func TestRegion_OneOfItsProcesses(t *testing.T) {
	for outage, most := range map[time.Duration]struct {
		died     int
		caughtUp time.Duration
	}{
		5 * time.Minute:  {10, 500 * time.Second},
		15 * time.Minute: {45_000, 25 * time.Minute},
	} {
		up := down + outage
		s := simulation.Scenario{
			Sessions: 250_000, For: up + 75*time.Minute, Gateway: simulation.Gateway{PerSecond: 150, From: down, To: up},
			Limits: limits(125), Planned: true,
		}
		r := simulation.Play(s)
		assert.Zero(t, r.Lost)
		assert.LessOrEqual(t, r.Died, most.died)
		assert.LessOrEqual(t, r.CaughtUp, most.caughtUp)
		assert.LessOrEqual(t, r.Between(down, up), int(outage/time.Second))
		assert.LessOrEqual(t, r.Busiest(0), 125)
		assert.Zero(t, r.ExpiredAt(s.For-2*time.Second))
	}
}
