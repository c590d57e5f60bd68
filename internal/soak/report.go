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

// reported is how often it is said how things stand.
const reported = 30 * time.Second

// summary is what is said at the end.
type summary struct {
	Seed      uint64        `json:"seed"`
	Span      time.Duration `json:"for_ns"`
	Callers   int           `json:"callers"`
	Refreshes int           `json:"refreshes"`
	Logins    int           `json:"logins"`
	sums
	Texts       []string `json:"violation_texts"`
	Begin       sample   `json:"begin"`
	End         sample   `json:"end"`
	HeapGrowth  int64    `json:"heap_growth"`
	MoreRunning int      `json:"goroutine_growth"`
}

// report says every half-minute how things stand.
func (s *stage) report(ctx context.Context) {
	for pause(ctx, reported) {
		n, _ := s.book.read()
		fmt.Fprintf(s.book.say, "%7s  %d calls, %d refreshes, %d logins, %d faults, failed: %d allowed, %d unexplained\n",
			s.book.at(), n.Calls, s.srv.Stats().Refreshes, s.srv.Stats().Sessions, total(n.Acts), n.Allowed, n.Unexplained)
	}
}

// sum looks at the whole, while the gateway can still be asked.
func (s *stage) sum(o options, samples []sample) *summary {
	s.check(samples)
	sum := &summary{Seed: o.seed, Span: time.Since(s.book.began), Callers: o.callers}
	sum.Refreshes, sum.Logins = s.srv.Stats().Refreshes, s.srv.Count(agstest.SignOn)
	sum.HeapGrowth, sum.MoreRunning = grown(samples)
	return sum
}

func (s *summary) print(out io.Writer) {
	fmt.Fprintf(out, `
seed              %d
calls             %d by %d callers in %s, the slowest %s
refreshes         %d
logins            %d
faults survived   %d: %s
failed calls      %d allowed (%s), %d unexplained
events            %s
goroutines        %d at the start, %d at the end
heap              %d KiB at the start, %d KiB at the end, grown by %d KiB in between
violations        %d
`, s.Seed, s.Calls, s.Callers, s.Span.Round(time.Second), s.Slowest.Round(time.Millisecond), s.Refreshes, s.Logins,
		total(s.Acts), list(s.Acts), s.Allowed, list(s.Failures), s.Unexplained, list(s.Events),
		s.Begin.Goroutines, s.End.Goroutines, s.Begin.Heap>>10, s.End.Heap>>10, s.HeapGrowth>>10, s.Violations)
	for _, text := range s.Texts {
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
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(of)) {
		parts = append(parts, fmt.Sprintf("%d %s", of[name], name))
	}
	return strings.Join(parts, ", ")
}
