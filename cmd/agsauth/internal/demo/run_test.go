package demo_test

import (
	"context"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/agstest"
	"github.com/agsauth/agsauth/cmd/agsauth/internal/demo"
)

// recording is a run in a synctest bubble, with workers that make few requests.
type recording struct {
	*demo.Demo

	server *agstest.Server
	events []demo.Event
	report demo.Report
}

func record(plan demo.Plan, prepare func(*agstest.Server)) *recording {
	var r recording
	plan.InMemory, plan.Pause = true, 200*time.Millisecond
	plan.Prepare = func(srv *agstest.Server) {
		r.server = srv
		if prepare != nil {
			prepare(srv)
		}
	}
	r.Demo = demo.New(plan, func(e demo.Event) { r.events = append(r.events, e) })
	return &r
}

func (r *recording) run(ctx context.Context, t *testing.T) *recording {
	t.Helper()
	var err error
	r.report, err = r.Run(ctx)
	require.NoError(t, err)
	return r
}

// match is an event that matches a pattern, and the submatches.
type match struct {
	demo.Event

	sub []string
}

func (m match) number(t *testing.T, i int) int {
	t.Helper()
	n, err := strconv.Atoi(m.sub[i])
	require.NoError(t, err)
	return n
}

func (m match) duration(t *testing.T, i int) time.Duration {
	t.Helper()
	d, err := time.ParseDuration(m.sub[i])
	require.NoError(t, err)
	return d
}

// find returns the events that match a pattern of "subject: text".
func (r *recording) find(pattern string) (found []match) {
	re := regexp.MustCompile("^" + pattern)
	for _, e := range r.events {
		if sub := re.FindStringSubmatch(e.Subject + ": " + e.Text); sub != nil {
			found = append(found, match{e, sub[1:]})
		}
	}
	return found
}

// The time of each refresh is random: the script must work for every draw.
func TestRun_AtEveryDraw(t *testing.T) {
	for range 15 {
		synctest.Test(t, func(t *testing.T) {
			r := record(demo.Fast(), nil).run(t.Context(), t)
			require.True(t, r.report.OK(), "%+v\n%+v", r.report, r.events)
		})
	}
}

func TestRun_ReportAgreesWithTheServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		plan := demo.Normal()
		r := record(plan, nil).run(t.Context(), t)
		report, stats := r.report, r.server.Stats()
		assert.True(t, report.OK())
		assert.Equal(t, plan.Workers, report.Workers)
		assert.Equal(t, r.server.Count(agstest.API), report.Requests+report.Rejected, "each rejected request is sent once more")
		assert.Equal(t, stats.Refreshes, report.Refreshes)
		assert.Equal(t, plan.Refusals+1, report.GatewayFailures)
		assert.Equal(t, r.server.Count(agstest.Refresh)+r.server.Count(agstest.SignOn), report.GatewayCalls)
		assert.Equal(t, report.Refreshes+report.GatewayFailures, r.server.Count(agstest.Refresh))
		assert.Equal(t, 2, report.Logins)
		assert.Equal(t, 2, stats.Sessions)
		assert.Equal(t, 1, stats.Devices, "the login is by the same device")
		assert.Zero(t, stats.Reuses)
		assert.Equal(t, 1, report.MaxRefreshes)
		assert.Positive(t, report.Rejected)
		assert.Equal(t, report.Rejected, report.Repeated)
		assert.Equal(t, plan.Latency, report.Slowest, "of a request that waits for a new token after the rejection")
		assert.Zero(t, report.Median)
	})
}

func TestRun_EventsAreTrue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		plan := demo.Normal()
		r := record(plan, nil).run(t.Context(), t)

		refreshed := r.find(`refresh (\d+): took ([^,;]*)`)
		require.Len(t, refreshed, r.report.Refreshes)
		for i, m := range refreshed {
			assert.Equal(t, i+1, m.number(t, 0))
		}
		pending := r.find(`refresh (\d+): is in progress`)
		require.Len(t, pending, 1)
		slow := r.find(`refresh ` + pending[0].sub[0] + `: took (.*); (\d+) requests meanwhile, slowest 0s$`)
		require.Len(t, slow, 1)
		assert.Equal(t, demo.Span(plan.Latency+plan.SlowFor), slow[0].sub[0])
		assert.Positive(t, slow[0].number(t, 1))

		lost := r.find(`refresh (\d+): lost a response`)
		require.Len(t, lost, 1)
		assert.Len(t, r.find(fmt.Sprintf(`refresh %s: took .*, %d calls;`, lost[0].sub[0], plan.Refusals+2)), 1)
		refusals := r.find(`refresh \d+: was refused \(503\); retry in (.*), token valid for (.*)$`)
		require.Len(t, refusals, plan.Refusals)
		for _, m := range refusals {
			assert.Positive(t, m.duration(t, 0))
			assert.Greater(t, m.duration(t, 1), m.duration(t, 0), "the retry comes before the token expires")
		}

		repeated := r.find(`API: rejected (\d+) request`)
		require.Len(t, repeated, 1)
		assert.Equal(t, r.report.Rejected, repeated[0].number(t, 0))

		warning := r.find(`session 1: will end in (.*),`)
		require.Len(t, warning, 1)
		assert.InDelta(t, plan.WarnBefore.Seconds(), warning[0].duration(t, 0).Seconds(), 0.1)
		login := r.find(`session 2: logs in (.*) early;`)
		require.Len(t, login, 1)
		assert.Positive(t, login[0].duration(t, 0))
		over := r.find(`session 1: is over; (\d+) requests since the login, 0 failed$`)
		require.Len(t, over, 1)
		assert.Positive(t, over[0].number(t, 0))

		for i := 1; i < len(r.events); i++ {
			assert.GreaterOrEqual(t, r.events[i].At, r.events[i-1].At)
		}
	})
}

// A run in which the gateway does not do what the script needs reports that.
func TestRun_Missing(t *testing.T) {
	for _, tt := range []struct {
		name    string
		limit   time.Duration
		prepare func(*agstest.Server)
		want    string
		events  []string
		logins  int
	}{
		{
			"an outage longer than a token's lifetime", 9500 * time.Millisecond,
			func(srv *agstest.Server) {
				srv.Always(agstest.Refresh, agstest.Fault{Status: http.StatusServiceUnavailable})
			},
			"a refresh: it did not happen in time",
			[]string{"workers: have a FAILED request"},
			2,
		},
		{
			"no login", 9500 * time.Millisecond,
			func(srv *agstest.Server) {
				srv.Script(agstest.SignOn, agstest.Fault{})
				srv.Always(agstest.SignOn, agstest.Fault{Status: http.StatusForbidden})
			},
			"a login before the session's end: it did not happen in time",
			[]string{"login: FAILED: 403", "session 1: has ENDED"},
			1,
		},
		{
			"a late login", time.Minute,
			func(srv *agstest.Server) {
				srv.Script(agstest.SignOn, agstest.Fault{}, agstest.Fault{Delay: 2600 * time.Millisecond})
			},
			"a login before the session's end: it came too late",
			[]string{"session 2: logs in too late"},
			2,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				plan := demo.Fast()
				plan.Limit = tt.limit
				r := record(plan, tt.prepare).run(t.Context(), t)
				assert.False(t, r.report.OK())
				assert.Contains(t, r.report.Missing, tt.want)
				assert.Equal(t, tt.logins, r.report.Logins)
				for _, pattern := range tt.events {
					assert.NotEmpty(t, r.find(pattern), "%q in %v", pattern, r.events)
				}
			})
		})
	}
}
