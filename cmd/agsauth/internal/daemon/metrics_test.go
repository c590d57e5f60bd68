package daemon_test

import (
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/agstest"
)

var sample = regexp.MustCompile(`(?m)^([a-z_]+)(\{[^}]*\})? (\S+)$`)

// metrics returns the samples.
func (r *rig) metrics() map[string]float64 {
	r.t.Helper()
	status, text := r.get("/metrics")
	require.Equal(r.t, 200, status)
	samples := map[string]float64{}
	for _, found := range sample.FindAllStringSubmatch(text, -1) {
		value, err := strconv.ParseFloat(found[3], 64)
		require.NoError(r.t, err)
		samples[found[1]+found[2]] = value
	}
	return samples
}

func TestMetrics_OfASession(t *testing.T) {
	r := newRig(t, agstest.Config{AccessLifetime: 2 * time.Second})
	r.start()
	r.becomes("/startupz", 200)
	m := r.metrics()
	assert.InDelta(t, 1, m[`agsauth_session_phase{phase="ended"}`], 0)
	assert.InDelta(t, 0, m[`agsauth_session_phase{phase="fresh"}`], 0)
	assert.NotContains(t, m, "agsauth_session_expiry_timestamp_seconds")
	assert.InDelta(t, 0, m["agsauth_last_refresh_success_timestamp_seconds"], 0)

	began := float64(time.Now().Unix())
	release := r.gateway.Hold(agstest.Refresh)
	defer release()
	r.signOnElsewhere()
	r.becomes("/readyz", 200)
	adopted := r.metrics()["agsauth_last_refresh_success_timestamp_seconds"]
	assert.InDelta(t, began, adopted, 60)
	r.gateway.Script(agstest.Refresh, agstest.Fault{Status: 503})
	release()
	r.eventually("a refresh", func() bool { return r.metrics()[`agsauth_refresh_attempts_total{outcome="success"}`] >= 1 })

	m = r.metrics()
	assert.InDelta(t, 1, m[`agsauth_refresh_attempts_total{outcome="unavailable"}`], 0)
	assert.InDelta(t, 0, m[`agsauth_refresh_attempts_total{outcome="timeout"}`], 0)
	assert.GreaterOrEqual(t, m["agsauth_refresh_duration_seconds_count"], 2.)
	assert.InDelta(t, 1, m[`agsauth_session_phase{phase="fresh"}`]+m[`agsauth_session_phase{phase="ageing"}`]+
		m[`agsauth_session_phase{phase="expired"}`], 0)
	assert.InDelta(t, began+2, m["agsauth_access_token_expiry_timestamp_seconds"], 120)
	assert.InDelta(t, began+48*3600, m["agsauth_refresh_token_expiry_timestamp_seconds"], 120)
	assert.InDelta(t, began+30*24*3600, m["agsauth_session_expiry_timestamp_seconds"], 120)
	assert.GreaterOrEqual(t, m["agsauth_last_refresh_success_timestamp_seconds"], adopted)
	assert.InDelta(t, 0, m["agsauth_session_unsaved"], 0)
}

func TestMetrics_CountARejection(t *testing.T) {
	r := newRig(t, agstest.Config{AccessLifetime: time.Second})
	r.signOnElsewhere()
	r.gateway.RevokeSessions()
	r.start()
	r.eventually("the rejection", func() bool { return r.metrics()[`agsauth_refresh_attempts_total{outcome="unauthorized"}`] == 1 })
	assert.Equal(t, "the session has ended: refresh rejected; run: agsauth login\n", r.becomes("/readyz", 503))
}

func TestMetrics_NamesAndLabels(t *testing.T) {
	r := newRig(t, agstest.Config{AccessLifetime: time.Second})
	r.signOnElsewhere()
	r.start()
	require.NoError(t, r.gateway.Wait(t.Context(), agstest.Refresh, 1))
	_, text := r.get("/metrics")
	var names, labels []string
	for line := range strings.SplitSeq(text, "\n") {
		if name, ok := strings.CutPrefix(line, "# TYPE "); ok {
			names = append(names, name)
		}
	}
	for _, found := range regexp.MustCompile(`([a-z]+)="`).FindAllStringSubmatch(text, -1) {
		labels = append(labels, found[1])
	}
	slices.Sort(labels)
	assert.Equal(t, []string{
		"agsauth_access_token_expiry_timestamp_seconds gauge",
		"agsauth_build_info gauge",
		"agsauth_last_refresh_success_timestamp_seconds gauge",
		"agsauth_refresh_attempts_total counter",
		"agsauth_refresh_duration_seconds histogram",
		"agsauth_refresh_token_expiry_timestamp_seconds gauge",
		"agsauth_session_expiry_timestamp_seconds gauge",
		"agsauth_session_phase gauge",
		"agsauth_session_unsaved gauge",
	}, names)
	assert.Equal(t, []string{"goversion", "le", "outcome", "phase", "version"}, slices.Compact(labels))
	assert.Contains(t, text, `version="v1.2.3"`)
	for _, secret := range []string{agstest.DefaultAccountID, r.src.Status().ClientID, r.path} {
		assert.NotContains(t, text, secret)
	}
	promtool(t, text)
}

// promtool checks metrics with promtool.
func promtool(t *testing.T, metrics string) {
	t.Helper()
	path, err := exec.LookPath("promtool")
	if err != nil {
		if os.Getenv("AGSAUTH_REQUIRE_PROMTOOL") == "1" {
			t.Fatal(err)
		}
		t.Skip("there is no promtool")
	}
	cmd := exec.CommandContext(t.Context(), path, "check", "metrics")
	cmd.Stdin = strings.NewReader(metrics)
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	assert.Empty(t, string(out))
}
