package demo_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/charmbracelet/x/ansi"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/cmd/agsauth/internal/demo"
	"github.com/agsauth/agsauth/cmd/agsauth/internal/exit"
)

// runMany runs the command in a synctest bubble.
func runMany(ctx context.Context, adjust func(*demo.ManyPlan)) (out string, status int) {
	var b strings.Builder
	err := demo.Many{Out: &b, Adjust: adjust}.Run(ctx)
	return b.String(), exit.StatusOf(err)
}

// small makes all sizes a fifth of the command's.
func small(p *demo.ManyPlan) {
	p.Sessions, p.Capacity, p.Rate = p.Sessions/5, p.Capacity/5, p.Rate/5
}

// assertFits asserts that out, and a prompt below it, fit a terminal of 80 x 24 cells.
func assertFits(t *testing.T, out string) {
	t.Helper()
	assert.LessOrEqual(t, strings.Count(out, "\n"), 23, out)
	for line := range strings.Lines(out) {
		assert.LessOrEqual(t, ansi.StringWidth(strings.TrimSuffix(line, "\n")), 80, line)
	}
}

func TestMany(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		started := time.Now()
		out, status := runMany(t.Context(), nil)
		require.Equal(t, 0, status, out)
		assert.Equal(t, 9*time.Second, time.Since(started))
		assert.Contains(t, out, ": 10 refreshes a second are enough")
		assert.Regexp(t, `(?m)^ 3\.0 s      0  0\.0 s  ░{10}       0 +\d\d  0\.0 s  █{5}░{5}       0$`, out)
		assert.Regexp(t, `(?m)^ 6\.0 s +\d{3} 1\d\.\d s  █{1,2}░+       0 +\d+  0\.0 s  █{10}       0$`, out)
		assert.Regexp(t, `(?m)^ 9\.0 s +\d+ [23]\d\.\d s  █{1,2}x+     [34]\d\d +0  0\.0 s  █{10}       0$`, out)
		assert.Regexp(t, `Of [34]\d{3} calls, \d{2,3} were answered in time`, out)
		assert.Contains(t, out, "Of 500 calls, 500 were.\n")
		assertFits(t, out)
	})
}

func TestManyReport(t *testing.T) {
	plan := demo.DefaultManyPlan()
	without := demo.Measured{Calls: 3000, Refreshed: 100, Expired: 400}
	with := demo.Measured{Calls: 500, Refreshed: 500}
	for _, tt := range []struct {
		name, want string
		change     func(*demo.ManyReport)
	}{
		{"as announced", "Of 500 calls, 500 were.", func(*demo.ManyReport) {}},
		{"the gateway without a gate recovers", "FAILED: without a gate, only 249 sessions have expired.", func(r *demo.ManyReport) { r.Last.Without.Expired = 249 }},
		{"some expired behind the gate", "FAILED: behind the gate, 3 sessions expired.", func(r *demo.ManyReport) { r.MostExpired = 3 }},
		{"the gate was too slow", "FAILED: behind the gate, only 499 sessions have a new token.", func(r *demo.ManyReport) { r.Last.With.Refreshed = 499 }},
		{"a slow machine", "expired.\nIt took 9.5 s instead of 9 s: perhaps the machine was busy, or suspended.", func(r *demo.ManyReport) {
			r.MostExpired, r.Last.At = 3, 9460*time.Millisecond
		}},
		{"interrupted", "Interrupted.", func(r *demo.ManyReport) { r.Interrupted = true }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			report := demo.ManyReport{Last: demo.ManyLine{Plan: plan, Without: without, With: with}}
			tt.change(&report)
			text := strings.TrimSpace(report.String())
			assert.True(t, strings.HasSuffix(text, tt.want), text)
			assert.Equal(t, tt.name == "as announced", report.OK())
		})
	}
}

func TestManyLine(t *testing.T) {
	plan := demo.DefaultManyPlan()
	worst := demo.Measured{Calls: 99999, PerSecond: 9999, Wait: 99 * time.Second, Refreshed: 499, Expired: 1}
	line := demo.ManyLine{Plan: plan, At: 99 * time.Second, Without: worst, With: worst}
	assertFits(t, plan.String()+line.String()+"\n"+demo.ManyReport{Last: line}.String())
	for _, tt := range []struct {
		refreshed, expired int
		want               string
	}{
		{0, 0, "░░░░░░░░░░"},
		{250, 0, "█████░░░░░"},
		{250, 125, "█████░░xxx"},
		{73, 427, "█xxxxxxxxx"},
		{499, 1, "█████████x"},
		{500, 0, "██████████"},
		{900, 0, "██████████"},
		{500, 500, "xxxxxxxxxx"},
	} {
		line.Without = demo.Measured{Refreshed: tt.refreshed, Expired: tt.expired}
		assert.Contains(t, line.String(), " 0.0 s  "+tt.want+" ")
	}
}

// A gateway that is large enough for all sessions at once is not what the demo announces.
func TestMany_NotAsAnnounced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out, status := runMany(t.Context(), func(p *demo.ManyPlan) {
			small(p)
			p.Capacity = 1000
		})
		assert.Equal(t, exit.Failure, status)
		assert.True(t, strings.HasSuffix(out, "\nFAILED: without a gate, only 0 sessions have expired.\n"), out)
	})
}

// A gate that is too narrow for the time that is left is reported, though all sessions have a
// new token at the end.
func TestMany_ExpiredBehindTheGate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out, status := runMany(t.Context(), func(p *demo.ManyPlan) {
			small(p)
			p.Rate, p.Lines = 13, 12
		})
		assert.Equal(t, exit.Failure, status)
		assert.Regexp(t, `(?m)^12\.0 s .* █{10}       0$`, out)
		assert.Regexp(t, `\nFAILED: behind the gate, \d+ sessions expired\.\n$`, out)
	})
}

func TestMany_Interrupted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 3200*time.Millisecond)
		defer cancel()
		started := time.Now()
		out, status := runMany(ctx, small)
		assert.Equal(t, 3200*time.Millisecond, time.Since(started), "it waits for nothing")
		assert.Equal(t, exit.Interrupted, status)
		assert.Contains(t, out, " 3.0 s")
		assert.True(t, strings.HasSuffix(out, "\nInterrupted.\n"), out)
	})
}

func TestMany_TheReportCannotBeWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		err := demo.Many{Out: full{}, Adjust: func(p *demo.ManyPlan) {
			small(p)
			p.Lines = 1
		}}.Run(t.Context())
		assert.ErrorContains(t, err, "demo: print the report: ")
	})
}
