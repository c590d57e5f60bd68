package demo_test

import (
	"context"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/agstest"
	"github.com/agsauth/agsauth/cmd/agsauth/internal/demo"
	"github.com/agsauth/agsauth/tokensource"
)

// press is a fault by key at a time.
type press struct {
	at  time.Duration
	key string
}

const outage, reject, suspend = "o", "r", "s"

// runWith runs a plan while keys are pressed.
func runWith(t *testing.T, plan demo.Plan, presses ...press) *recording {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	r := record(plan, nil)
	for _, p := range presses {
		timer := time.AfterFunc(p.at, func() { r.Press(ctx, p.key) })
		defer timer.Stop()
	}
	defer cancel()
	return r.run(t.Context(), t)
}

func TestKeys_OutageWithinTheMarginIsNotNoticed(t *testing.T) {
	for range 3 {
		synctest.Test(t, func(t *testing.T) {
			r := runWith(t, demo.Normal(), press{17 * time.Second, outage}, press{26 * time.Second, outage})
			assert.True(t, r.report.OK(), "%+v", r.report)
			assert.Empty(t, r.report.Excused)
			assert.Zero(t, r.report.FailedByKeys)
			assert.Equal(t, demo.Keys{Outages: 2}, r.report.Keys)
			assert.Len(t, r.find(`you: stop the gateway`), 2)
			assert.GreaterOrEqual(t, r.server.Count(agstest.Refresh), r.report.Refreshes+4)
		})
	}
}

// Failures are not hidden when an outage lasts longer than the token.
func TestKeys_OutagePastTheExpiryIsNamed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var presses []press
		for at := time.Second; at < 10*time.Second; at += time.Second {
			presses = append(presses, press{at, outage})
		}
		r := runWith(t, demo.Normal(), presses...)
		assert.False(t, r.report.OK())
		assert.Positive(t, r.report.Failed)
		assert.Equal(t, r.report.Failed, r.report.FailedByKeys)
		assert.Empty(t, r.report.Missing)
		assert.Empty(t, r.find(`workers: have a FAILED`))
		failed := r.find(`workers: have FAILED requests: your keys leave them without a usable token`)
		require.Len(t, failed, 1, "only the first is logged")
		assert.Less(t, failed[0].At, 10*time.Second)
	})
}

func TestKeys_RejectionIsReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := runWith(t, demo.Normal(),
			press{1 * time.Second, reject},
			press{2 * time.Second, reject},
			press{26 * time.Second, reject})
		assert.True(t, r.report.OK(), "%+v", r.report)
		assert.Empty(t, r.report.Excused)
		assert.Equal(t, demo.Keys{Rejections: 2}, r.report.Keys)
		assert.Equal(t, r.report.Rejected, r.report.Repeated)
		assert.Len(t, r.find(`API: rejected (\d+)`), 2)
		assert.Len(t, r.find(`you: cannot reject a token now`), 1)
		assert.Empty(t, r.find(`demo: makes the API reject`), "the key has replaced that of the script")
	})
}

// A rejected request counts as repeated only after it has succeeded.
func TestKeys_RepeatedIsCountedAfterwards(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := record(demo.Normal(), nil)
		ctx, cancel := context.WithTimeout(t.Context(), 5500*time.Millisecond)
		defer cancel()
		time.AfterFunc(4500*time.Millisecond, func() { r.Press(ctx, reject) }) // the next refresh is slow
		time.AfterFunc(5400*time.Millisecond, func() { assert.Zero(t, r.Snapshot().Repeated) })
		r.run(ctx, t)
		assert.Positive(t, r.report.Rejected)
		assert.Zero(t, r.report.Repeated)
	})
}

// A slow refresh says whether the workers have to wait for it.
func TestKeys_RefreshInProgress(t *testing.T) {
	for name, fault := range map[string]string{"rejected": reject, "suspended": suspend, "none": "x"} {
		synctest.Test(t, func(t *testing.T) {
			r := runWith(t, demo.Normal(), press{4500 * time.Millisecond, fault})
			pending := r.find(`refresh (\d+): is in progress; (\w+)`)
			require.Len(t, pending, 1, name)
			assert.Equal(t, name == "none", pending[0].sub[1] == "nobody", "%s: %s", name, pending[0].Text)
		})
	}
}

func TestKeys_AfterASuspendTheTokenIsReplacedAndNotServed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := runWith(t, demo.Normal(), press{17 * time.Second, suspend})
		assert.True(t, r.report.OK(), "%+v", r.report)
		suspended := r.find(`you: suspend the machine for 7s; token expired`)
		require.Len(t, suspended, 1)
		rejected := r.find(`API: rejected (\d+)`)
		require.Len(t, rejected, 1)
		assert.Equal(t, r.report.Rejected, rejected[0].number(t, 0), "no expired token was sent")
		for _, m := range r.find(`refresh \d+: took .*; (.*)`) {
			if m.At > suspended[0].At {
				assert.Regexp(t, "^(all workers|[1-4] requests?) ", m.sub[0], "requests in progress aside, all waited")
				break
			}
		}
		assert.Less(t, r.report.Took, 40*time.Second, "the session ends by the wall clock")
	})
}

// During a suspend nobody can log in before the session ends.
func TestKeys_SuspendedOverTheLoginIsExcused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := runWith(t, demo.Normal(), press{32 * time.Second, suspend})
		assert.True(t, r.report.OK(), "%+v", r.report)
		assert.Equal(t, []string{"a login before the session's end: it came too late"}, r.report.Excused)
		assert.Empty(t, r.report.Missing)
		assert.Equal(t, 2, r.report.Logins)
	})
}

// All failures are attributed to the keys, and no step is missing.
func TestKeys_KeysPressedAtRandom(t *testing.T) {
	keys := []string{outage, reject, suspend}
	for seed := range uint64(4) {
		synctest.Test(t, func(t *testing.T) {
			draw := rand.New(rand.NewPCG(seed, 0))
			plan := demo.Normal()
			var presses []press
			for at := time.Duration(0); at < plan.Limit; {
				at += time.Duration(draw.Int64N(int64(4 * time.Second)))
				presses = append(presses, press{at, keys[draw.IntN(len(keys))]})
			}
			r := runWith(t, plan, presses...)
			assert.Equal(t, r.report.FailedByKeys, r.report.Failed, "seed %d: %+v", seed, r.find(`workers: have a FAILED`))
			assert.Empty(t, r.report.Missing, "seed %d", seed)
			assert.Empty(t, r.find(`.*eyJ`), "a token in an event")
			assert.LessOrEqual(t, r.report.MaxRefreshes, 1)
			assert.LessOrEqual(t, r.report.Took, plan.Limit+2*time.Second)
		})
	}
}

func TestSnapshot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := record(demo.Normal(), nil)
		assert.Zero(t, r.Snapshot())
		r.Press(t.Context(), outage) // no effect before the start
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			r.run(ctx, t)
			close(done)
		}()
		at := func(d time.Duration) demo.Snapshot {
			time.Sleep(d - r.Snapshot().At)
			synctest.Wait()
			return r.Snapshot()
		}
		s := at(time.Second)
		assert.Equal(t, demo.Healthy, s.Condition)
		assert.Equal(t, 5*time.Second, s.Status.ExpiresAt.Sub(s.Now))
		assert.Equal(t, 1, s.Logins)
		assert.Positive(t, s.Requests)
		assert.Equal(t, tokensource.Fresh, s.Status.Phase)

		assert.Equal(t, demo.Slow, at(5*time.Second).Condition)
		assert.Equal(t, demo.Failing, at(11500*time.Millisecond).Condition)
		at(17 * time.Second)
		r.Press(ctx, reject)
		assert.Equal(t, demo.Rejecting, at(17100*time.Millisecond).Condition)
		at(18 * time.Second)
		r.Press(ctx, suspend)
		assert.Equal(t, tokensource.Expired, at(18100*time.Millisecond).Status.Phase)
		r.Press(ctx, outage)
		assert.Equal(t, demo.Out, at(18200*time.Millisecond).Condition)

		cancel()
		<-done
		assert.True(t, r.report.Interrupted)
		assert.Equal(t, r.report.Requests, r.Snapshot().Requests)
		r.Press(t.Context(), suspend) // no effect after the end
		assert.Equal(t, demo.Keys{Outages: 1, Rejections: 1, Suspends: 1}, r.Snapshot().Keys)
	})
}
