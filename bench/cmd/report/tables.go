package main

import (
	"fmt"
	"io"
	"math"
	"path/filepath"
	"strings"

	"github.com/agsauth/agsauth/bench/internal/impl"
	"github.com/agsauth/agsauth/bench/internal/peer"
)

// columns are those of the cached token: a benchmark and the number of cores.
var columns = []struct{ title, name, cores string }{
	{"serial", "CachedSerial", ""},
	{"parallel, 1 core", "CachedParallel", ""},
	{"parallel, 2 cores", "CachedParallel", "-2"},
	{"100 goroutines, 1 core", "Cached100Goroutines", ""},
	{"100 goroutines, 2 cores", "Cached100Goroutines", "-2"},
}

func names() []string {
	var all []string
	for _, c := range peer.All() {
		all = append(all, c.Name)
	}
	return all
}

func (m *measurements) cached(column int, of string) (micro, bool) {
	c := columns[column]
	b, ok := m.micro[c.name+"/of="+of+c.cores]
	return b, ok
}

func (m *measurements) roundTrip(headers int, of string) (micro, bool) {
	b, ok := m.micro[fmt.Sprintf("RoundTrip/headers=%d/of=%s", headers, of)]
	return b, ok
}

func (m *measurements) write(w io.Writer, charts string) {
	p := func(format string, args ...any) { fmt.Fprintf(w, format+"\n", args...) }
	p("<!-- Made by bench/run. Do not edit. -->")
	p("# Results\n")
	p("[README.md](README.md) explains the method and its limits. Only the ratios are valid for other machines.\n")
	p("%s\n", m.machine)
	m.writeGoals(p)
	p("\n## Around a refresh\n\n![the latency of callers around a refresh, for each library](%s)\n", filepath.Join(charts, "refresh.svg"))
	m.writeRefresh(p)
	p("\n## The cached token\n\n![the time that a cached token takes, for each library](%s)\n", filepath.Join(charts, "cached.svg"))
	m.writeCached(p)
	m.writeToken(p)
	m.writeRoundTrips(p)
	m.writeStampede(p)
	m.writeOutages(p)
	m.writeRest(p)
}

type printer = func(format string, args ...any)

// cell formats a time, the half-width of its confidence interval, and its ratio to the
// floor's.
func cell(b, floor micro) string {
	return fmt.Sprintf("%s %s (%.2f×)", ns(b.time.Center), b.time.PctRangeString(), b.time.Center/floor.time.Center)
}

func ns(v float64) string {
	if v >= 1000 {
		return fmt.Sprintf("%.3g µs", v/1000)
	}
	return fmt.Sprintf("%.3g ns", v)
}

func (m *measurements) writeCached(p printer) {
	titles := []string{"`TokenContext`, or the nearest call"}
	for _, c := range columns {
		titles = append(titles, c.title)
	}
	p("| %s | allocations |", strings.Join(titles, " | "))
	p("|---%s|--:|", strings.Repeat("|--:", len(columns)))
	for _, of := range names() {
		row := []string{impl.Title(of)}
		var allocs float64
		for i := range columns {
			b, ok := m.cached(i, of)
			floor, _ := m.cached(i, impl.FloorName)
			if !ok {
				row = append(row, "–")
				continue
			}
			row = append(row, cell(b, floor))
			allocs = b.allocs
		}
		p("| %s | %.0f |", strings.Join(row, " | "), allocs)
	}
	p("\nMedians and 95 %% confidence intervals; in parentheses the ratio to the floor: one atomic load and one reading of the clock.")
	p("azcore has no call that returns a token; its figure is that of a request through its pipeline.")
}

func (m *measurements) writeToken(p printer) {
	p("\n## `Token()`\n\n| | time | allocations |\n|---|--:|--:|")
	for _, of := range names() {
		b, ok := m.micro["Token/of="+of]
		floor := m.micro["Token/of="+impl.FloorName]
		if ok && of != "azcore" {
			p("| %s | %s | %.0f |", impl.Title(of), cell(b, floor), b.allocs)
		}
	}
	p("\nagsauth and the floor return a copy; the others return a token that all callers share.")
}

func (m *measurements) writeRoundTrips(p printer) {
	counts := []int{0, 2, 7}
	p("\n## `RoundTrip` over an in-memory base\n\n| | no header | 2 headers | 7 headers | allocations (7) | bytes (7) |\n|---|--:|--:|--:|--:|--:|")
	for _, of := range []string{
		impl.FloorName, impl.DeepFloorName, impl.OursName, "oauth2", "google", "azcore", "client-go", "ghinstallation",
	} {
		row := []string{impl.Title(of)}
		for _, n := range counts {
			b, ok := m.roundTrip(n, of)
			if !ok {
				row = append(row, "–")
				continue
			}
			row = append(row, fmt.Sprintf("%s %s (%.2f×)", ns(b.time.Center), b.time.PctRangeString(), m.aboveBare(n, of, impl.FloorName)))
		}
		b, ok := m.roundTrip(7, of)
		if ok {
			p("| %s | %.0f | %.0f |", strings.Join(row, " | "), b.allocs, b.bytes)
		}
	}
	p("\nIn parentheses the time in addition to the bare base's, as a ratio to the floor's. The floor passes the caller's header values and")
	p("URL to the base; the floor that shares nothing copies them. agsauth copies the URL, and limits the capacity of the values, so that the")
	p("base cannot append to them. aws and smithy have no RoundTripper.")
}

// aboveBare returns the time of a round trip in addition to the bare base's, as a ratio
// to that of another implementation.
func (m *measurements) aboveBare(headers int, of, to string) float64 {
	b, _ := m.roundTrip(headers, of)
	floor, _ := m.roundTrip(headers, to)
	bare, _ := m.roundTrip(headers, "bare")
	return (b.time.Center - bare.time.Center) / (floor.time.Center - bare.time.Center)
}

func (m *measurements) writeRefresh(p printer) {
	p("| 50 callers at 1 ms, refreshes of 200 ms | refreshes | delayed calls | longest call | p50 | p99 | p99.9 | to the floor |\n|---|--:|--:|--:|--:|--:|--:|--:|")
	all := m.figures("refresh")
	for _, of := range names() {
		if f, ok := all[of]; ok {
			p("| %s | %.0f | %.0f of %.0f | %s | %s | %s | %s | %s |", impl.Title(of), f["refreshes"], f["delayed"], f["calls"],
				msec(f["longest_call_ms"]), msec(f["p50_ms"]), msec(f["p99_ms"]), msec(f["p999_ms"]), ratio(f["p999_ms"], all[impl.FloorName]["p999_ms"]))
		}
	}
	p("\nLatencies count from when a call was due (corrected for coordinated omission). A delayed call took longer than 50 ms")
	p("from its start. azcore refreshes ahead of the expiry at most every 30 seconds, and makes half as many refreshes.")
}

func (m *measurements) writeStampede(p printer) {
	p("\n## Cold stampede, and a waiter that gives up\n\n| 10,000 goroutines, 100 ms | fetches | total | to the floor | heap growth | with a context that can end | a waiter of 10 ms, refresh of 300 ms | the refresh goes on |\n|---|--:|--:|--:|--:|--:|--:|--:|")
	all, cancelled := m.figures("stampede"), m.figures("cancelled")
	for _, of := range names() {
		f, ok := all[of]
		if !ok {
			continue
		}
		l := cancelled[of]
		p("| %s | %.0f | %s | %s | %.0f KiB | %.0f KiB | %s | %.0f of %.0f |", impl.Title(of), f["fetches"], msec(f["total_ms"]),
			ratio(f["total_ms"], all[impl.FloorName]["total_ms"]), f["heap_kib"], f["heap_if_cancellable_kib"], msec(l["median_ms"]), l["refresh_lives"], l["rounds"])
	}
	p("\nHeap growth counts everything allocated between the first call and the last answer. A wait on a context that can end takes one")
	p("more record of the runtime, of 96 bytes.")
}

func (m *measurements) writeOutages(p printer) {
	p("\n## Outages\n\n| 1 s, within the margin | failed calls | delayed | fetches | renewed before expiry |\n|---|--:|--:|--:|--:|")
	within := m.figures("outage")
	for _, of := range names() {
		if f, ok := within[of]; ok {
			p("| %s | %.0f of %.0f | %.0f | %.0f | %s |", impl.Title(of), f["failed"], f["calls"], f["delayed"], f["fetches"], msec(f["renewed_before_expiry_ms"]))
		}
	}
	p("\n| 4 s past the expiry | expired tokens served | past their deadline | failed fetches | recovered after |\n|---|--:|--:|--:|--:|")
	past := m.figures("outage-past-expiry")
	for _, of := range names() {
		f, ok := past[of]
		if !ok {
			continue
		}
		recovered := "not within 11 s"
		if v, ok := f["recovered_ms"]; ok {
			recovered = msec(v)
		}
		p("| %s | %.0f of %.0f | %.0f | %.0f | %s |", impl.Title(of), f["expired_served"], f["calls_while_expired"], f["past_deadline"], f["failed_fetches"], recovered)
	}
	p("\nAll implementations with a margin have the same one. 50 callers; an answer takes 100 ms, a refusal no time; a delayed call took longer than 50 ms.")
}

func (m *measurements) writeRest(p printer) {
	all := m.figures("rest")
	p("\n## At rest\n\n| sources, each with a token | bytes each | goroutines |\n|---|--:|--:|")
	for _, of := range names() {
		if f, ok := all[of]; ok {
			p("| %s | %.0f | %.0f |", impl.Title(of), f["bytes_each"], f["goroutines"])
		}
	}
	p("\n%.0f sources of each implementation, with default settings, without the bytes of the access token. agsauth's have got their token by a refresh.", all[impl.OursName]["sources"])
	store := m.figures("redis")
	if len(store) == 0 {
		return
	}
	p("\n## Redis store\n\n| | sources | lifetimes | gateway calls per lifetime | Redis commands per source and lifetime |\n|---|--:|--:|--:|--:|")
	for of, f := range store {
		p("| %s | %.0f | %.0f | %.2f | %.2f |", impl.Title(of), f["sources"], f["lifetimes"], f["calls_per_lifetime"], f["commands_per_source_and_lifetime"])
	}
}

func msec(v float64) string {
	if math.Abs(v) >= 100 {
		return fmt.Sprintf("%.0f ms", v)
	}
	return fmt.Sprintf("%.3g ms", v)
}

func ratio(v, floor float64) string {
	if floor == 0 {
		return "–"
	}
	return fmt.Sprintf("%.2f×", v/floor)
}
