package demo_test

import (
	"context"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/agstest"
	"github.com/agsauth/agsauth/cmd/agsauth/internal/demo"
)

// performance is a run of the demo in a bubble, its workers not very busy, and
// all that it told.
type performance struct {
	server  *agstest.Server
	report  demo.Report
	moments []demo.Moment
}

func perform(ctx context.Context, plan demo.Plan, prepare func(*agstest.Server)) (*performance, error) {
	var p performance
	plan.InMemory, plan.Pause = true, 200*time.Millisecond
	plan.Prepare = func(srv *agstest.Server) {
		p.server = srv
		if prepare != nil {
			prepare(srv)
		}
	}
	var err error
	p.report, err = demo.Run(ctx, plan, func(m demo.Moment) { p.moments = append(p.moments, m) })
	return &p, err
}

// of returns what was told of one kind.
func (p *performance) of(kind demo.Kind) []demo.Moment {
	var found []demo.Moment
	for _, m := range p.moments {
		if m.Kind == kind {
			found = append(found, m)
		}
	}
	return found
}

// When a token is refreshed is drawn at random: the story holds for every draw.
func TestRun_HoldsForEveryDraw(t *testing.T) {
	for range 15 {
		synctest.Test(t, func(t *testing.T) {
			p, err := perform(t.Context(), demo.Fast(), nil)
			require.NoError(t, err)
			require.True(t, p.report.OK(), "%+v\n%+v", p.report, p.moments)
		})
	}
}

func TestRun_ReportAgreesWithTheServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		plan := demo.Normal()
		p, err := perform(t.Context(), plan, nil)
		require.NoError(t, err)
		r, st := p.report, p.server.Stats()
		assert.True(t, r.OK())
		assert.Equal(t, plan.Workers, r.Workers)
		assert.Equal(t, p.server.Count(agstest.API), r.Requests+r.Rejected, "each rejected request is sent once more")
		assert.Equal(t, st.Refreshes, r.Refreshes)
		assert.Equal(t, plan.Refusals+1, r.GatewayFailures)
		assert.Equal(t, p.server.Count(agstest.Refresh)+p.server.Count(agstest.SignOn), r.GatewayCalls)
		assert.Equal(t, r.Refreshes+r.GatewayFailures, p.server.Count(agstest.Refresh))
		assert.Equal(t, 2, r.Logins)
		assert.Equal(t, 2, st.Sessions)
		assert.Equal(t, 1, st.Devices, "the login is by the same device")
		assert.Zero(t, st.Reuses)
		assert.Equal(t, 1, r.AtATime)
		assert.Positive(t, r.Rejected)
		assert.Equal(t, r.Rejected, r.Replaced)
		assert.Equal(t, plan.Latency, r.Slowest, "who waits, waits for the rejected token to be replaced")
		assert.Zero(t, r.Median)
	})
}

func TestRun_TellsWhatIsTrue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		plan := demo.Normal()
		p, err := perform(t.Context(), plan, nil)
		require.NoError(t, err)

		refreshed := p.of(demo.Refreshed)
		require.Len(t, refreshed, p.report.Refreshes)
		for i, m := range refreshed {
			assert.Equal(t, i+1, m.N)
		}
		slow := refreshed[p.of(demo.RefreshPending)[0].N-1]
		assert.Equal(t, plan.Latency+plan.SlowFor, slow.Took)
		assert.Zero(t, slow.Slowest)
		assert.Positive(t, slow.Served)

		failed := refreshed[p.of(demo.AnswerLost)[0].N-1]
		assert.Equal(t, plan.Refusals+2, failed.Calls)
		refusals := p.of(demo.RefreshFailed)
		require.Len(t, refusals, plan.Refusals)
		for _, m := range refusals {
			assert.Equal(t, http.StatusServiceUnavailable, m.Status)
			assert.Positive(t, m.In)
			assert.Greater(t, m.Left, m.In, "the next attempt comes while the token lives")
		}

		replaced := p.of(demo.TokenReplaced)
		require.Len(t, replaced, 1)
		assert.Equal(t, p.report.Rejected, replaced[0].N)

		require.Len(t, p.of(demo.SessionEnding), 1)
		assert.InDelta(t, plan.WarnBefore.Seconds(), p.of(demo.SessionEnding)[0].In.Seconds(), 0.1)
		login := p.of(demo.LoggedIn)
		require.Len(t, login, 1)
		assert.Positive(t, login[0].In)
		assert.Equal(t, p.of(demo.SessionBegun)[0].Device, login[0].Device)
		over := p.of(demo.SessionOver)[0]
		assert.Positive(t, over.Served)
		assert.Zero(t, over.Failed)

		for i := 1; i < len(p.moments); i++ {
			assert.GreaterOrEqual(t, p.moments[i].At, p.moments[i-1].At)
		}
	})
}

// A gateway that cannot be reached for longer than a token lives is noticed, and
// said to be.
func TestRun_LongOutageIsNotPlayedDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, err := perform(t.Context(), demo.Fast(), func(srv *agstest.Server) {
			srv.Always(agstest.Refresh, agstest.Fault{Status: http.StatusServiceUnavailable})
		})
		require.NoError(t, err)
		assert.False(t, p.report.OK())
		assert.Zero(t, p.report.Refreshes)
		assert.Positive(t, p.report.Failed)
		assert.Contains(t, p.report.Missing, "a refresh: it did not happen in time")
		assert.NotEmpty(t, p.of(demo.RequestFailed))
	})
}

// Without a login the session ends with its time, and that is told.
func TestRun_LostSessionIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, err := perform(t.Context(), demo.Fast(), func(srv *agstest.Server) {
			srv.Script(agstest.SignOn, agstest.Fault{})
			srv.Always(agstest.SignOn, agstest.Fault{Status: http.StatusForbidden})
		})
		require.NoError(t, err)
		assert.False(t, p.report.OK())
		assert.Equal(t, 1, p.report.Logins)
		assert.NotEmpty(t, p.of(demo.LoginFailed))
		assert.Len(t, p.of(demo.SessionLost), 1)
		assert.Contains(t, p.report.Missing, "a re-login ahead of the end: it did not happen in time")
	})
}

func TestRun_LateLoginIsAMissingAct(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		plan := demo.Fast()
		plan.Limit = time.Minute
		p, err := perform(t.Context(), plan, func(srv *agstest.Server) {
			srv.Script(agstest.SignOn, agstest.Fault{}, agstest.Fault{Delay: 2600 * time.Millisecond})
		})
		require.NoError(t, err)
		assert.False(t, p.report.OK())
		assert.Contains(t, p.report.Missing, "a re-login ahead of the end: it came too late")
	})
}
