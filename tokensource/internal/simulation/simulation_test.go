package simulation_test

import (
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
	s := small()
	s.Plain = true
	r := simulation.Play(s)
	assert.Greater(t, expiredPart(s, r), 0.6)
	assert.Greater(t, r.Between(down, s.Gateway.To), 200_000)
}

func TestOutage_BehindTheGateNobodyExpires(t *testing.T) {
	s := small()
	s.Limits = limits(18)
	r := simulation.Play(s)
	assert.Zero(t, r.Died)
	assert.Zero(t, r.Lost)
	assert.LessOrEqual(t, r.Between(down, s.Gateway.To), 300, "calls while the gateway is away")
	assert.LessOrEqual(t, r.Busiest(0), 18)
	assert.Less(t, r.CaughtUp, 3*time.Minute)
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
	s := small()
	s.Gateway.SingleUse = true
	ungated := simulation.Play(s)
	assert.Greater(t, ungated.Lost, s.Sessions/2, "an answer that comes too late is a lost session")
	s.Limits = limits(18)
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
	s.Cohort, s.For, s.Gateway.From, s.Gateway.To = true, 150*time.Minute, 0, 0
	r := simulation.Play(s)
	assert.Zero(t, r.Died)
	assert.LessOrEqual(t, r.Busiest(0), 500)
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
