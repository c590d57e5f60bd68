package main

import (
	"fmt"
	"math"

	"github.com/agsauth/agsauth/bench/internal/impl"
)

// verdict is one aim, and what was measured.
type verdict struct {
	job, aim, got string
	reached       bool
}

// writeVerdicts holds the figures of this library against what it set out to
// reach.
func (m *measured) writeVerdicts(p printer) {
	p("## What this library set out to reach\n\n| job | aim | measured | |\n|---|---|---|---|")
	for _, v := range m.verdicts() {
		mark := "reached"
		if !v.reached {
			mark = "**missed**"
		}
		p("| %s | %s | %s | %s |", v.job, v.aim, v.got, mark)
	}
}

func (m *measured) verdicts() []verdict {
	all := m.cachedVerdicts()
	all = append(all, m.tripVerdicts()...)
	all = append(all, m.refreshVerdicts()...)
	return append(all, m.stampedeVerdicts()...)
}

func (m *measured) cachedVerdicts() []verdict {
	worst, ahead, allocs := 0.0, true, 0.0
	for i := range columns {
		ours, _ := m.cached(i, impl.OursName)
		floor, _ := m.cached(i, impl.FloorName)
		worst, allocs = max(worst, ours.time.Center/floor.time.Center), max(allocs, ours.allocs)
		for _, of := range names() {
			if b, ok := m.cached(i, of); ok && of != impl.FloorName && of != impl.OursName && b.time.Center <= ours.time.Center {
				ahead = false
			}
		}
	}
	token := m.micro["Token/of="+impl.OursName]
	return []verdict{
		{"cached token", "at most 1.15× the floor in every column", fmt.Sprintf("%.2f× in the worst", worst), worst <= 1.15},
		{"", "no allocation", fmt.Sprintf("%.0f", allocs), allocs == 0},
		{"", "ahead of every peer in every column", yes(ahead), ahead},
		{"`Token()`", "one allocation", fmt.Sprintf("%.0f, %s", token.allocs, ns(token.time.Center)), token.allocs == 1},
	}
}

func yes(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

func (m *measured) tripVerdicts() []verdict {
	worst, deep, allocs := 0.0, 0.0, 0.0
	faster, could := math.Inf(1), math.Inf(1)
	for _, n := range []int{0, 2, 7} {
		ours, _ := m.trip(n, impl.OursName)
		floor, _ := m.trip(n, impl.FloorName)
		worst, allocs = max(worst, m.aboveBare(n, impl.OursName, impl.FloorName)), max(allocs, ours.allocs)
		deep = max(deep, m.aboveBare(n, impl.OursName, impl.DeepFloorName))
		for _, of := range []string{"oauth2", "google", "azcore", "client-go", "ghinstallation"} {
			if b, ok := m.trip(n, of); ok {
				faster = min(faster, b.time.Center/ours.time.Center)
				could = min(could, b.time.Center/floor.time.Center)
			}
		}
	}
	return []verdict{
		{"`RoundTrip`", "at most 3 allocations", fmt.Sprintf("%.0f", allocs), allocs <= 3},
		{"", "at most 1.15× the shallow-copy floor", fmt.Sprintf("%.2f× in the worst", worst), worst <= 1.15},
		{"", "(the same, to the floor with nothing shared)", fmt.Sprintf("%.2f× in the worst", deep), deep <= 1.15},
		{"", "1.8 times as fast as the best peer", fmt.Sprintf("%.2f times in the worst, the floor %.2f", faster, could), faster >= 1.8},
	}
}

func (m *measured) refreshVerdicts() []verdict {
	refresh, within, past := m.of("refresh"), m.of("outage"), m.of("outage-past-expiry")
	r, w, x := refresh[impl.OursName], within[impl.OursName], past[impl.OursName]
	tail := r["p999_ms"] / refresh[impl.FloorName]["p999_ms"]
	steps := backoffSteps(1.2*1000, 4000) // the margin, with its jitter
	recovered, back := x["recovered_ms"]
	return []verdict{
		{"refresh under load", "no call delayed", fmt.Sprintf("%.0f of %.0f", r["delayed"], r["calls"]), r["delayed"] == 0},
		{"", "one call each", fmt.Sprintf("%.0f, at least %s apart", r["refreshes"], msec(r["least_apart_ms"])), r["least_apart_ms"] > 1000},
		{"", "p99.9 within 3× the floor's", fmt.Sprintf("%.2f×", tail), tail <= 3},
		{"outage within the margin", "no error, no delayed call", fmt.Sprintf("%.0f and %.0f of %.0f", w["failed"], w["delayed"], w["calls"]), w["failed"] == 0 && w["delayed"] == 0},
		{"", "renewed before expiry, by at most 6 calls", fmt.Sprintf("%s ahead, %.0f calls", msec(w["renewed_before_expiry_ms"]), w["fetches"]), w["renewed_before_expiry_ms"] > 0 && w["fetches"] <= 6},
		{"outage past the expiry", "no dead token", fmt.Sprintf("%.0f of %.0f", x["dead_served"], x["calls_while_dead"]), x["dead_served"] == 0},
		{"", "every caller answered within its deadline", fmt.Sprintf("%.0f late", x["past_deadline"]), x["past_deadline"] == 0},
		{"", "one call per back-off step", fmt.Sprintf("%.0f calls in at most %d steps", x["fetches_in_vain"], steps), x["fetches_in_vain"] <= float64(steps)},
		{"", "recovered within the back-off's cap, 10 s", msec(recovered), back && recovered <= 10_000},
	}
}

// backoffSteps is how many attempts the back-off allows for in an outage that begins
// before the margin and lasts beyond the expiry, if each wait is as short as it can
// be: doubling from 250 ms, up to a quarter of what the token still lives, but not
// less than 250 ms, or to 10 s once it is dead; all that a quarter less.
func backoffSteps(margin, dark float64) int {
	steps := 0
	for at, wait := 0.0, 250.0; at < margin+dark; wait *= 2 {
		steps++
		limit := 10_000.0
		if left := margin - at; left > 0 {
			limit = max(left/4, 250)
		}
		at += 0.75 * min(wait, limit)
	}
	return steps
}

func (m *measured) stampedeVerdicts() []verdict {
	stampede, left, rest := m.of("stampede"), m.of("cancelled"), m.of("rest")
	s, l, r := stampede[impl.OursName], left[impl.OursName], rest[impl.OursName]
	total := s["total_ms"] / stampede[impl.FloorName]["total_ms"]
	leaves := l["median_ms"] / left[impl.FloorName]["median_ms"]
	heap := stampede["oauth2"]["heap_kib"]
	all := []verdict{
		{"cold stampede", "one refresh", fmt.Sprintf("%.0f", s["fetches"]), s["fetches"] == 1},
		{"", "total at most 1.25× the floor's", fmt.Sprintf("%.2f×", total), total <= 1.25},
		{"", "heap growth no more than x/oauth2's (to 32 KiB)", fmt.Sprintf("%.0f to %.0f KiB", s["heap_kib"], heap), s["heap_kib"] <= heap+32},
		{"a waiter that leaves", "median within 1.1× the floor's", fmt.Sprintf("%.2f×", leaves), leaves <= 1.1},
		{"", "the refresh lives", fmt.Sprintf("%.0f of %.0f", l["refresh_lives"], l["rounds"]), l["refresh_lives"] == l["rounds"]},
		{"at rest", "no goroutine, at most 640 bytes", fmt.Sprintf("%.0f, %.0f bytes", r["goroutines"], r["bytes_each"]), r["goroutines"] <= 0 && r["bytes_each"] <= 640},
	}
	if f, ok := m.of("redis")[impl.OursName]; ok {
		all = append(all, verdict{
			"Redis store", "one gateway call per lifetime",
			fmt.Sprintf("%.2f, with %.1f Redis commands a source", f["calls_per_lifetime"], f["commands_per_source_and_lifetime"]),
			f["calls_per_lifetime"] <= 1 && f["failed"] == 0,
		})
	}
	return all
}
