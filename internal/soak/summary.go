package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/agsauth/agsauth/agstest"
)

// reportInterval is how often the progress is printed.
const reportInterval = 30 * time.Second

// summary is printed at the end.
type summary struct {
	Seed        uint64         `json:"seed"`
	Span        time.Duration  `json:"for_ns"`
	Callers     int            `json:"callers"`
	Groups      []groupSummary `json:"groups"`
	Begin       sample         `json:"begin"`
	End         sample         `json:"end"`
	HeapGrowth  int64          `json:"heap_growth"`
	MoreRunning int            `json:"goroutine_growth"`
	Violations  map[string]int `json:"violations"` // of no group
	Texts       []string       `json:"violation_texts"`
}

// groupSummary is the summary of a group.
type groupSummary struct {
	Name      string     `json:"name"`
	Refreshes int        `json:"refreshes"`
	Logins    int        `json:"logins"`
	Completed int        `json:"sessions_completed"`
	Stalls    stallStats `json:"stalls"`
	counts
	Texts []string `json:"violation_texts"`
}

// report prints the progress every half-minute.
func (g *group) report(ctx context.Context) {
	for pause(ctx, reportInterval) {
		n, _ := g.recorder.read()
		g.recorder.printf("%d calls, %d refreshes, %d logins, %d faults, failed: %d allowed, %d unexplained",
			n.Calls, g.srv.Stats().Refreshes, g.srv.Stats().Sessions, total(n.Faults), n.Allowed, n.Unexplained)
	}
}

// sum summarizes a group while its gateway is still running.
func (g *group) summarize() groupSummary {
	g.check()
	p := groupSummary{Name: g.name, Refreshes: g.srv.Stats().Refreshes, Logins: g.srv.Count(agstest.SignOn)}
	p.Completed, p.Stalls = len(g.model.completed(time.Now())), g.model.stallCounts()
	p.counts, p.Texts = g.recorder.read()
	return p
}

// heapAllowed is how much the memory in use may grow.
func (s *summary) heapAllowed() int64 {
	allowed := int64(heapGrowth)
	for _, p := range s.Groups {
		allowed += int64(p.Refreshes) * heapPerRefresh
	}
	return allowed
}

// ok reports whether there was no violation.
func (s *summary) ok() bool {
	return len(s.Violations) == 0 && !slices.ContainsFunc(s.Groups, func(p groupSummary) bool { return len(p.Violations) > 0 })
}

func (s *summary) print(out io.Writer) {
	fmt.Fprintf(out, "\n%d callers for %s, --seed %d\n", s.Callers, s.Span.Round(time.Second), s.Seed)
	for _, p := range s.Groups {
		p.print(out)
	}
	fmt.Fprintf(out, `
goroutines        %d at the start, %d at the end
heap              %d KiB at the start, %d KiB at the end, grown by %d KiB in between
other violations  %s
`, s.Begin.Goroutines, s.End.Goroutines, s.Begin.Heap>>10, s.End.Heap>>10, s.HeapGrowth>>10, list(s.Violations))
	printTexts(out, s.Texts)
}

func (p *groupSummary) print(out io.Writer) {
	fmt.Fprintf(out, `
%s
calls             %d, the slowest %s
refreshes         %d
logins            %d, %d fixed horizons reached
faults survived   %d: %s
machine stalled   %d times, for %s at the longest
failed calls      %d allowed (%s), %d unexplained
events            %s
violations        %s
`, p.Name, p.Calls, p.Slowest.Round(time.Millisecond), p.Refreshes, p.Logins, p.Completed,
		total(p.Faults), list(p.Faults), p.Stalls.Times, p.Stalls.Longest.Round(time.Millisecond), p.Allowed, list(p.Failures), p.Unexplained, list(p.Events), list(p.Violations))
	printTexts(out, p.Texts)
}

func printTexts(out io.Writer, texts []string) {
	for _, text := range texts {
		fmt.Fprintln(out, "  ", text)
	}
}

func total(of map[string]int) (n int) {
	for _, k := range of {
		n += k
	}
	return n
}

// list returns "2 of this, 3 of that".
func list(of map[string]int) string {
	if len(of) == 0 {
		return "none"
	}
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(of)) {
		parts = append(parts, fmt.Sprintf("%d %s", of[name], name))
	}
	return strings.Join(parts, ", ")
}
