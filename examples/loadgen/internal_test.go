package main

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/internal/leak"
)

func TestMain(m *testing.M) { leak.Main(m) }

// few are the options of a run with few users, in a synctest bubble.
func few() options {
	return options{
		users: 30, rampUp: 2 * time.Second, duration: 40 * time.Second, pause: 500 * time.Millisecond,
		tokenLifetime: 15 * time.Second, latency: 200 * time.Millisecond, perSecond: 20,
		thresholds: thresholds{p95: 500 * time.Millisecond, failed: 0.01}, inMemory: true,
	}
}

func TestRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := few()
		r, err := run(t.Context(), o)
		require.NoError(t, err)
		assert.True(t, r.passed(o.thresholds), r.text(o))
		assert.Equal(t, o.duration, r.took)
		assert.Equal(t, o.users, r.signOns)
		assert.GreaterOrEqual(t, r.refreshes, 2*o.users, "tokens of 15 s, in 40 s")
		assert.Greater(t, r.requests, 30*2*36)
		assert.Less(t, r.max, o.latency, "no request waited for the gateway")
		assert.Zero(t, r.waited)
		assert.Zero(t, r.failed)
		assert.LessOrEqual(t, r.peak, 20)
		assert.Greater(t, r.peak, 10)
		assert.Contains(t, r.text(o), "  sign_ons..............: 30\n")
		assert.Contains(t, r.text(o), "  ✓ no request waits for a refresh once its user has signed on\n")
		assert.NotContains(t, r.text(o), "✗")
	})
}

// If the gate lets fewer refreshes start than there are tokens that expire, users wait, and
// the run says so.
func TestRun_UsersWaitForAGatewayThatIsTooSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := few()
		o.perSecond = 1
		r, err := run(t.Context(), o)
		require.NoError(t, err)
		assert.Positive(t, r.waited)
		assert.False(t, r.passed(o.thresholds))
		assert.Contains(t, r.text(o), "  ✗ no request waits for a refresh once its user has signed on\n")
		assert.LessOrEqual(t, r.peak, 1)
	})
}

func TestRun_Interrupted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		r, err := run(ctx, few())
		require.NoError(t, err)
		assert.Equal(t, 10*time.Second, r.took)
		assert.Zero(t, r.failed)
	})
}

func TestRun_NoUsers(t *testing.T) {
	_, err := run(t.Context(), options{duration: time.Second})
	assert.Error(t, err)
}

func TestResult(t *testing.T) {
	var c counts
	for i := range 200 {
		c.request(time.Duration(i+1)*time.Millisecond, nil, true)
	}
	r := c.result(time.Second, 0)
	assert.Equal(t, []time.Duration{100 * time.Millisecond, 190 * time.Millisecond, 198 * time.Millisecond, 200 * time.Millisecond},
		[]time.Duration{r.p50, r.p95, r.p99, r.max})
	good := thresholds{p95: 191 * time.Millisecond, failed: 0.01}
	assert.True(t, r.passed(good))
	assert.False(t, r.passed(thresholds{p95: r.p95, failed: 0.01}))
	assert.False(t, result{}.passed(good), "nothing was measured")

	c.request(time.Millisecond, assert.AnError, true)
	c.request(time.Millisecond, assert.AnError, true)
	assert.True(t, c.result(time.Second, 0).passed(good))
	c.request(time.Millisecond, assert.AnError, true)
	assert.False(t, c.result(time.Second, 0).passed(good))
	assert.Contains(t, c.result(time.Second, 0).text(options{}), "first_error...........: "+assert.AnError.Error())
}
