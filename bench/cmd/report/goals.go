package main

import (
	"fmt"
	"math"

	"github.com/agsauth/agsauth/bench/internal/impl"
)

// result is a goal, and what was measured.
type result struct {
	job, goal, measured string
	reached             bool
}

// writeGoals compares the figures of this library with its goals.
func (m *measurements) writeGoals(p printer) {
	p("## Goals of this library\n\n| job | goal | measured | |\n|---|---|---|---|")
	for _, r := range m.results() {
		mark := "reached"
		if !r.reached {
			mark = "**missed**"
		}
		p("| %s | %s | %s | %s |", r.job, r.goal, r.measured, mark)
	}
}

func (m *measurements) results() []result {
	all := m.cachedResults()
	all = append(all, m.roundTripResults()...)
	all = append(all, m.refreshResults()...)
	return append(all, m.stampedeResults()...)
}

func (m *measurements) cachedResults() []result {
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
	return []result{
		{"cached token", "at most 1.15× the floor in each column", fmt.Sprintf("%.2f× at worst", worst), worst <= 1.15},
		{"", "no allocation", fmt.Sprintf("%.0f", allocs), allocs == 0},
		{"", "faster than each peer in each column", yesNo(ahead), ahead},
		{"`Token()`", "one allocation", fmt.Sprintf("%.0f, %s", token.allocs, ns(token.time.Center)), token.allocs == 1},
	}
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

func (m *measurements) roundTripResults() []result {
	worst, deep, allocs := 0.0, 0.0, 0.0
	faster, floorFaster := math.Inf(1), math.Inf(1)
	for _, n := range []int{0, 2, 7} {
		ours, _ := m.roundTrip(n, impl.OursName)
		floor, _ := m.roundTrip(n, impl.FloorName)
		worst, allocs = max(worst, m.aboveBare(n, impl.OursName, impl.FloorName)), max(allocs, ours.allocs)
		deep = max(deep, m.aboveBare(n, impl.OursName, impl.DeepFloorName))
		for _, of := range []string{"oauth2", "google", "azcore", "client-go", "ghinstallation"} {
			if b, ok := m.roundTrip(n, of); ok {
				faster = min(faster, b.time.Center/ours.time.Center)
				floorFaster = min(floorFaster, b.time.Center/floor.time.Center)
			}
		}
	}
	return []result{
		{"`RoundTrip`", "at most 3 allocations", fmt.Sprintf("%.0f", allocs), allocs <= 3},
		{"", "at most 1.15× the shallow-copy floor", fmt.Sprintf("%.2f× at worst", worst), worst <= 1.15},
		{"", "(the same, relative to the floor that shares nothing)", fmt.Sprintf("%.2f× at worst", deep), deep <= 1.15},
		{"", "1.8 times as fast as the best peer", fmt.Sprintf("%.2f times at worst, the floor %.2f", faster, floorFaster), faster >= 1.8},
	}
}

func (m *measurements) refreshResults() []result {
	refresh, within, past := m.figures("refresh"), m.figures("outage"), m.figures("outage-past-expiry")
	r, w, x := refresh[impl.OursName], within[impl.OursName], past[impl.OursName]
	tail := r["p999_ms"] / refresh[impl.FloorName]["p999_ms"]
	steps := backoffSteps(1.2*1000, 4000) // the margin, with its jitter
	recovered, back := x["recovered_ms"]
	return []result{
		{"refresh under load", "no call delayed", fmt.Sprintf("%.0f of %.0f", r["delayed"], r["calls"]), r["delayed"] == 0},
		{"", "one call each", fmt.Sprintf("%.0f, at least %s apart", r["refreshes"], msec(r["least_apart_ms"])), r["least_apart_ms"] > 1000},
		{"", "p99.9 within 3× the floor's", fmt.Sprintf("%.2f×", tail), tail <= 3},
		{"outage within the margin", "no error, no delayed call", fmt.Sprintf("%.0f and %.0f of %.0f", w["failed"], w["delayed"], w["calls"]), w["failed"] == 0 && w["delayed"] == 0},
		{"", "renewed before expiry, by at most 6 calls", fmt.Sprintf("%s ahead, %.0f calls", msec(w["renewed_before_expiry_ms"]), w["fetches"]), w["renewed_before_expiry_ms"] > 0 && w["fetches"] <= 6},
		{"outage past the expiry", "no expired token", fmt.Sprintf("%.0f of %.0f", x["expired_served"], x["calls_while_expired"]), x["expired_served"] == 0},
		{"", "every caller answered within its deadline", fmt.Sprintf("%.0f late", x["past_deadline"]), x["past_deadline"] == 0},
		{"", "one call per back-off step", fmt.Sprintf("%.0f calls in at most %d steps", x["failed_fetches"], steps), x["failed_fetches"] <= float64(steps)},
		{"", "recovered within the back-off's cap, 10 s", msec(recovered), back && recovered <= 10_000},
	}
}

// backoffSteps returns the greatest number of attempts that the back-off allows in an
// outage that begins before the margin and ends some milliseconds after the expiry. The
// waits double from 250 ms to a quarter of the token's remaining life, which counts as at
// least 250 ms, and to 10 s once the token has expired. The shortest waits are a quarter
// less.
func backoffSteps(margin, afterExpiry float64) int {
	steps := 0
	for at, wait := 0.0, 250.0; at < margin+afterExpiry; wait *= 2 {
		steps++
		limit := 10_000.0
		if left := margin - at; left > 0 {
			limit = max(left/4, 250)
		}
		at += 0.75 * min(wait, limit)
	}
	return steps
}

func (m *measurements) stampedeResults() []result {
	stampede, cancelled, rest := m.figures("stampede"), m.figures("cancelled"), m.figures("rest")
	s, l, r := stampede[impl.OursName], cancelled[impl.OursName], rest[impl.OursName]
	total := s["total_ms"] / stampede[impl.FloorName]["total_ms"]
	ratio := l["median_ms"] / cancelled[impl.FloorName]["median_ms"]
	heap := stampede["oauth2"]["heap_kib"]
	all := []result{
		{"cold stampede", "one refresh", fmt.Sprintf("%.0f", s["fetches"]), s["fetches"] == 1},
		{"", "total at most 1.25× the floor's", fmt.Sprintf("%.2f×", total), total <= 1.25},
		{"", "heap growth no more than x/oauth2's (to 32 KiB)", fmt.Sprintf("%.0f to %.0f KiB", s["heap_kib"], heap), s["heap_kib"] <= heap+32},
		{"a waiter that gives up", "median within 1.1× the floor's", fmt.Sprintf("%.2f×", ratio), ratio <= 1.1},
		{"", "the refresh goes on", fmt.Sprintf("%.0f of %.0f", l["refresh_lives"], l["rounds"]), l["refresh_lives"] == l["rounds"]},
		{"at rest", "no goroutine, at most 640 bytes", fmt.Sprintf("%.0f, %.0f bytes", r["goroutines"], r["bytes_each"]), r["goroutines"] <= 0 && r["bytes_each"] <= 640},
	}
	if f, ok := m.figures("redis")[impl.OursName]; ok {
		all = append(all, result{
			"Redis store", "one gateway call per lifetime",
			fmt.Sprintf("%.2f, with %.1f Redis commands per source", f["calls_per_lifetime"], f["commands_per_source_and_lifetime"]),
			f["calls_per_lifetime"] <= 1 && f["failed"] == 0,
		})
	}
	return all
}
