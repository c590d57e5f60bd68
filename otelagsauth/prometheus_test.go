package otelagsauth_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	dto "github.com/prometheus/client_model/go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

// requirePromtool makes the tests fail, instead of skip, where there is no promtool.
const requirePromtool = "AGSAUTH_REQUIRE_PROMTOOL"

// promtool runs promtool, which must succeed.
func promtool(t *testing.T, args ...string) {
	t.Helper()
	path, err := exec.LookPath("promtool")
	if err != nil {
		if os.Getenv(requirePromtool) == "1" {
			t.Fatal(err)
		}
		t.Skip("there is no promtool")
	}
	out, err := exec.CommandContext(t.Context(), path, args...).CombinedOutput()
	require.NoError(t, err, "%s", out)
}

func TestAlerts_ByPromtool(t *testing.T) {
	promtool(t, "check", "rules", "alerts.yml")
	promtool(t, "test", "rules", "alerts_test.yml")
}

// The expressions of the dashboard are checked as rules.
func TestDashboard_ByPromtool(t *testing.T) {
	var rules []map[string]string
	for i, expr := range expressions(t, readDashboard(t)) {
		expr = strings.NewReplacer("$__rate_interval", "5m", "$__range", "1d").Replace(expr)
		rules = append(rules, map[string]string{"record": fmt.Sprintf("panel:expression:%d", i), "expr": expr})
	}
	text, err := yaml.Marshal(map[string]any{"groups": []any{map[string]any{"name": "dashboard", "rules": rules}}})
	require.NoError(t, err)
	file := filepath.Join(t.TempDir(), "dashboard.yml")
	require.NoError(t, os.WriteFile(file, text, 0o600))
	promtool(t, "check", "rules", file)
}

// dashboard is what is checked of dashboard.json.
type dashboard struct {
	UID        string
	Templating struct {
		List []struct{ Name, Query string }
	}
	Panels []struct {
		ID      int
		Title   string
		GridPos struct{ X, Y, W, H int }
		Targets []struct{ Expr, LegendFormat string }
	}
}

func readDashboard(t *testing.T) (d dashboard) {
	t.Helper()
	text, err := os.ReadFile("dashboard.json")
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(text, &d))
	require.NotEmpty(t, d.Panels)
	return d
}

// expressions returns those of the panels.
func expressions(t *testing.T, d dashboard) (all []string) {
	t.Helper()
	for _, p := range d.Panels {
		require.NotEmpty(t, p.Targets, p.Title)
		for _, target := range p.Targets {
			require.NotEmpty(t, target.Expr, p.Title)
			all = append(all, target.Expr)
		}
	}
	return all
}

// alertExpressions returns those of the alert rules, and their texts, which name metrics.
func alertExpressions(t *testing.T) (all []string) {
	t.Helper()
	var file struct {
		Groups []struct {
			Rules []struct {
				Alert, Expr string
				Annotations map[string]string
			}
		}
	}
	text, err := os.ReadFile("alerts.yml")
	require.NoError(t, err)
	require.NoError(t, yaml.Unmarshal(text, &file))
	for _, g := range file.Groups {
		for _, r := range g.Rules {
			all = append(all, r.Expr)
			for _, text := range r.Annotations {
				all = append(all, text)
			}
		}
	}
	require.Len(t, all, 5*3, "five alerts with a summary and a description")
	return all
}

// family is what the exporter for Prometheus makes of a metric.
type family struct {
	kind   dto.MetricType
	labels map[string][]string // with their values
}

// families returns all that can be exported.
func (r *rig) families() map[string]family {
	r.t.Helper()
	all := map[string]family{}
	gathered, err := r.registry.Gather()
	require.NoError(r.t, err)
	for _, f := range gathered {
		labels := map[string][]string{"job": nil, "instance": nil} // of Prometheus itself
		for _, m := range f.GetMetric() {
			for _, l := range m.GetLabel() {
				labels[l.GetName()] = nil
			}
		}
		all[f.GetName()] = family{f.GetType(), labels}
	}
	for name, set := range closedSets() {
		prefix := strings.ReplaceAll(name, ".", "_")
		for exported, f := range all {
			for key, values := range set {
				label := strings.ReplaceAll(key, ".", "_")
				if _, ok := f.labels[label]; ok && strings.HasPrefix(exported, prefix) {
					f.labels[label] = values
				}
			}
		}
	}
	return all
}

var (
	selector = regexp.MustCompile(`\b(agsauth_\w+)(?:\{([^}]*)\})?`)
	matcher  = regexp.MustCompile(`(\w+)\s*(?:=~|!~|!=|=)\s*"([^"]*)"`)
	grouping = regexp.MustCompile(`\b(?:by|on) \(([^)]*)\)`)
	legend   = regexp.MustCompile(`\{\{(\w+)\}\}`)
	suffix   = regexp.MustCompile(`_(bucket|sum|count)$`)
)

// check asserts that an expression selects nothing but what is exported, and returns the
// names of what it selects.
func check(t *testing.T, all map[string]family, expr string) (used []string) {
	t.Helper()
	labels := []string{"job", "instance", "le"}
	for _, found := range selector.FindAllStringSubmatch(expr, -1) {
		name := found[1]
		f, ok := all[name]
		if !ok {
			name = suffix.ReplaceAllString(name, "")
			f, ok = all[name]
			require.True(t, ok && f.kind == dto.MetricType_HISTOGRAM, "%s is not exported: %s", found[1], expr)
		} else {
			require.NotEqual(t, dto.MetricType_HISTOGRAM, f.kind, "%s has no value of its own: %s", name, expr)
		}
		used = append(used, name)
		for _, m := range matcher.FindAllStringSubmatch(found[2], -1) {
			values, ok := f.labels[m[1]]
			require.True(t, ok, "%s has no label %s: %s", name, m[1], expr)
			for value := range strings.SplitSeq(m[2], "|") {
				require.True(t, strings.HasPrefix(value, "$") || slices.Contains(values, value), "%s is never %q: %s", m[1], value, expr)
			}
		}
		for label := range f.labels {
			labels = append(labels, label)
		}
	}
	for _, found := range grouping.FindAllStringSubmatch(expr, -1) {
		for label := range strings.SplitSeq(found[1], ",") {
			require.Contains(t, labels, strings.TrimSpace(label), expr)
		}
	}
	return used
}

// Nobody notices an alert that never fires because a name has changed.
func TestDashboardAndAlerts_UseOnlyWhatIsExported(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		r.failInEveryWay()
		all, d := r.families(), readDashboard(t)
		var used []string
		for _, expr := range append(expressions(t, d), alertExpressions(t)...) {
			used = append(used, check(t, all, expr)...)
		}
		for _, v := range d.Templating.List {
			used = append(used, check(t, all, v.Query)...)
		}
		for name := range all {
			if strings.HasPrefix(name, "agsauth_") {
				assert.Contains(t, used, name, "it is exported, and not shown")
			}
		}
		assert.Len(t, all, len(closedSets())+1, "and target_info")
	})
}

func TestDashboard_IsWellFormed(t *testing.T) {
	d := readDashboard(t)
	taken := map[[2]int]string{}
	for i, p := range d.Panels {
		assert.Equal(t, i+1, p.ID, p.Title)
		for x := p.GridPos.X; x < p.GridPos.X+p.GridPos.W; x++ {
			for y := p.GridPos.Y; y < p.GridPos.Y+p.GridPos.H; y++ {
				assert.Empty(t, taken[[2]int{x, y}], "%s lies on another panel", p.Title)
				taken[[2]int{x, y}] = p.Title
			}
		}
		assert.LessOrEqual(t, p.GridPos.X+p.GridPos.W, 24, p.Title)
		for _, target := range p.Targets {
			for _, used := range legend.FindAllStringSubmatch(target.LegendFormat, -1) {
				by := grouping.FindStringSubmatch(target.Expr)
				require.NotNil(t, by, p.Title)
				assert.Contains(t, by[1], used[1], "%s has a legend for a label that is aggregated away", p.Title)
			}
		}
	}
}
