package demo_test

import (
	"context"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/agstest"
	"github.com/agsauth/agsauth/cmd/agsauth/internal/demo"
)

// press is a key at its time.
type press struct {
	at  time.Duration
	key func(*demo.Show)
}

// meddle is perform with keys pressed meanwhile.
func meddle(t *testing.T, plan demo.Plan, presses ...press) *performance {
	t.Helper()
	var p performance
	plan.InMemory, plan.Pause = true, 200*time.Millisecond
	plan.Prepare = func(srv *agstest.Server) { p.server = srv }
	show := demo.New(plan, func(m demo.Moment) { p.moments = append(p.moments, m) })
	begun := time.Now()
	done := make(chan error)
	go func() {
		var err error
		p.report, err = show.Run(t.Context())
		done <- err
	}()
	for _, pr := range presses {
		time.Sleep(time.Until(begun.Add(pr.at)))
		pr.key(show)
	}
	require.NoError(t, <-done)
	return &p
}

func TestShow_OutageWithinTheMarginIsNotNoticed(t *testing.T) {
	for range 3 {
		synctest.Test(t, func(t *testing.T) {
			p := meddle(t, demo.Normal(), press{17 * time.Second, (*demo.Show).Outage}, press{26 * time.Second, (*demo.Show).Outage})
			assert.True(t, p.report.OK(), "%+v", p.report)
			assert.Empty(t, p.report.Waived)
			assert.Zero(t, p.report.ByHand)
			assert.Equal(t, demo.Faults{Outages: 2}, p.report.Hand)
			assert.Len(t, p.of(demo.GatewayOut), 2)
			assert.GreaterOrEqual(t, p.server.Count(agstest.Refresh), p.report.Refreshes+4)
		})
	}
}

// Nobody is told that an outage which lasts longer than a token does no harm.
func TestShow_OutagePastTheExpiryIsNamed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var presses []press
		for at := time.Second; at < 10*time.Second; at += time.Second {
			presses = append(presses, press{at, (*demo.Show).Outage})
		}
		p := meddle(t, demo.Normal(), presses...)
		assert.False(t, p.report.OK())
		assert.Positive(t, p.report.Failed)
		assert.Equal(t, p.report.Failed, p.report.ByHand)
		assert.Empty(t, p.report.Missing)
		assert.Empty(t, p.of(demo.RequestFailed))
		told := p.of(demo.RequestFailedByHand)
		require.Len(t, told, 1, "the first")
		assert.Less(t, told[0].At, 10*time.Second)
		assert.ErrorContains(t, told[0].Err, "503")
	})
}

func TestShow_RejectionIsReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := meddle(t, demo.Normal(),
			press{1 * time.Second, (*demo.Show).Reject},
			press{2 * time.Second, (*demo.Show).Reject},
			press{26 * time.Second, (*demo.Show).Reject})
		assert.True(t, p.report.OK(), "%+v", p.report)
		assert.Empty(t, p.report.Waived)
		assert.Equal(t, demo.Faults{Rejections: 2}, p.report.Hand)
		assert.Equal(t, p.report.Rejected, p.report.Replaced)
		assert.Len(t, p.of(demo.TokenReplaced), 2)
		require.Len(t, p.of(demo.RejectionRefused), 1, "the library would take no notice")
		assert.InDelta(t, 2, p.of(demo.RejectionRefused)[0].In.Seconds(), 0.01)
		assert.Empty(t, p.of(demo.TokenRejected), "the plan's own has been made by hand")
	})
}

// What is on its way as replaced is not said to be replaced.
func TestShow_ReplacedIsCountedWhenItIs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		plan := demo.Normal()
		plan.InMemory = true
		show := demo.New(plan, func(demo.Moment) {})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan demo.Report)
		go func() {
			report, _ := show.Run(ctx)
			done <- report
		}()
		time.Sleep(4500 * time.Millisecond) // the next refresh is slow
		show.Reject()
		time.Sleep(time.Second)
		assert.Zero(t, show.Glance().Replaced)
		cancel()
		report := <-done
		assert.Positive(t, report.Rejected)
		assert.Zero(t, report.Replaced)
	})
}

// The workers wait for a refresh that is on its way if the token in hand is no
// good, and the demo says so.
func TestShow_PendingRefreshSaysWhatTheTokenIsWorth(t *testing.T) {
	for name, fault := range map[string]func(*demo.Show){"rejected": (*demo.Show).Reject, "asleep": (*demo.Show).Sleep, "none": func(*demo.Show) {}} {
		synctest.Test(t, func(t *testing.T) {
			p := meddle(t, demo.Normal(), press{4500 * time.Millisecond, fault})
			pending := p.of(demo.RefreshPending)
			require.Len(t, pending, 1, name)
			assert.Equal(t, name == "none", pending[0].Left > 0, "%s: %s", name, pending[0].Left)
		})
	}
}

func TestShow_AfterASleepTheTokenIsReplacedAndNotServed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		plan := demo.Normal()
		p := meddle(t, plan, press{17 * time.Second, (*demo.Show).Sleep})
		assert.True(t, p.report.OK(), "%+v", p.report)
		slept := p.of(demo.MachineSlept)
		require.Len(t, slept, 1)
		assert.Negative(t, slept[0].Left)
		assert.Zero(t, p.report.Rejected-p.of(demo.TokenReplaced)[0].N, "no dead token was sent")
		var next demo.Moment
		for _, m := range p.of(demo.Refreshed) {
			if m.At > slept[0].At {
				next = m
				break
			}
		}
		assert.Less(t, next.Served, 5, "all but those on their way already waited for the refresh")
		assert.Less(t, p.report.Took, 40*time.Second, "the session ends by the wall clock")
	})
}

// Asleep over the session's end, nobody can log in ahead of it.
func TestShow_SleptThroughLoginIsWaived(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := meddle(t, demo.Normal(), press{32 * time.Second, (*demo.Show).Sleep})
		assert.True(t, p.report.OK(), "%+v", p.report)
		assert.Equal(t, []string{"a re-login ahead of the end: it came too late"}, p.report.Waived)
		assert.Empty(t, p.report.Missing)
		assert.Equal(t, 2, p.report.Logins)
	})
}

// Whatever is pressed, no failure is anybody else's, and nothing is said to be
// missing.
func TestShow_KeysPressedAtRandom(t *testing.T) {
	keys := []func(*demo.Show){(*demo.Show).Outage, (*demo.Show).Reject, (*demo.Show).Sleep}
	for seed := range uint64(4) {
		synctest.Test(t, func(t *testing.T) {
			draw := rand.New(rand.NewPCG(seed, 0))
			plan := demo.Normal()
			var presses []press
			for at := time.Duration(0); at < plan.Limit; {
				at += time.Duration(draw.Int64N(int64(4 * time.Second)))
				presses = append(presses, press{at, keys[draw.IntN(len(keys))]})
			}
			p := meddle(t, plan, presses...)
			assert.Equal(t, p.report.ByHand, p.report.Failed, "seed %d: %+v", seed, p.of(demo.RequestFailed))
			assert.Empty(t, p.report.Missing, "seed %d", seed)
			assert.LessOrEqual(t, p.report.AtATime, 1)
			assert.LessOrEqual(t, p.report.Took, plan.Limit+2*time.Second)
		})
	}
}

func TestShow_GlanceTellsHowItStands(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		plan := demo.Normal()
		plan.InMemory = true
		show := demo.New(plan, func(demo.Moment) {})
		assert.Zero(t, show.Glance())
		show.Outage() // of nothing
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan demo.Report)
		go func() {
			report, _ := show.Run(ctx)
			done <- report
		}()
		at := func(d time.Duration) demo.Glance {
			time.Sleep(d - show.Glance().At)
			synctest.Wait()
			return show.Glance()
		}
		g := at(time.Second)
		assert.Equal(t, demo.Healthy, g.Weather)
		assert.Equal(t, demo.Horizon{Left: 5 * time.Second, Whole: plan.Access}, g.Access)
		assert.Equal(t, plan.Session, g.Session.Whole)
		assert.Equal(t, 1, g.Logins)
		assert.Positive(t, g.Requests)
		assert.False(t, g.Due || g.Dead)

		assert.Equal(t, demo.Slow, at(5*time.Second).Weather)
		assert.Equal(t, demo.Failing, at(11500*time.Millisecond).Weather)
		show.Outage()
		g = at(12 * time.Second)
		assert.Equal(t, demo.Out, g.Weather)
		assert.Equal(t, time.Second, g.OutFor)
		at(17 * time.Second)
		show.Reject()
		assert.Equal(t, demo.Rejecting, at(17100*time.Millisecond).Weather)
		at(18 * time.Second)
		show.Sleep()
		assert.True(t, at(18100*time.Millisecond).Dead)

		cancel()
		report := <-done
		assert.True(t, report.Interrupted)
		assert.Equal(t, report.Requests, show.Glance().Requests, "the last glance is kept")
		show.Sleep()
		assert.Equal(t, 1, report.Hand.Sleeps)
	})
}

func TestShow_SilentAboutSecrets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := meddle(t, demo.Fast(), press{0, (*demo.Show).Reject}, press{time.Second, (*demo.Show).Reject}, press{2 * time.Second, (*demo.Show).Sleep})
		for _, m := range p.moments {
			if m.Err != nil {
				assert.False(t, strings.Contains(m.Err.Error(), "eyJ"), m.Err)
			}
		}
		assert.Positive(t, p.server.Count(agstest.API))
	})
}
