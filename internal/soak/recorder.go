package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/agsauth/agsauth/tokensource"
)

// maxTexts is how many violations of a kind are kept. The others are only counted.
const maxTexts = 10

// recorder records what happens. It is safe for concurrent use.
type recorder struct {
	name  string // of the process
	began time.Time
	out   io.Writer // where violations and faults are printed as they come

	mu         sync.Mutex // guards the rest
	counts     counts
	violations []string
}

// counts are the totals of a run.
type counts struct {
	Calls       int            `json:"calls"`
	Allowed     int            `json:"failed_allowed"`
	Unexplained int            `json:"failed_unexplained"`
	Slowest     time.Duration  `json:"slowest_ns"`
	Events      map[string]int `json:"events"`
	Faults      map[string]int `json:"faults"`
	Failures    map[string]int `json:"failures_allowed"`
	Violations  map[string]int `json:"violations"`
}

func newRecorder(name string, out io.Writer) *recorder {
	return &recorder{name: name, began: time.Now(), out: out, counts: counts{
		Events: map[string]int{}, Faults: map[string]int{}, Failures: map[string]int{}, Violations: map[string]int{},
	}}
}

func (b *recorder) call(c *call, explained bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.counts.Calls++
	b.counts.Slowest = max(b.counts.Slowest, c.end.Sub(c.begin))
	switch {
	case c.outcome == served:
	case explained:
		b.counts.Allowed++
		b.counts.Failures[c.category()]++
	default:
		b.counts.Unexplained++
		b.violationLocked("call failed: "+c.cause(), fmt.Sprintf("replica %d, after %s, its last token dying in %s: %s",
			c.replica, c.end.Sub(c.begin).Round(time.Millisecond), c.tokenExpiry.Sub(c.end).Round(time.Millisecond), c.text))
	}
}

func (b *recorder) event(e *tokensource.Event) {
	b.mu.Lock()
	defer b.mu.Unlock()
	what := e.Kind.String()
	if e.Reason != 0 {
		what += " (" + e.Reason.String() + ")"
	}
	b.counts.Events[what]++
}

// faultDone records that a fault is over.
func (b *recorder) faultDone(a fault, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.counts.Faults[string(a.kind)]++
	b.printLocked("%s %s", a.kind, a.detail())
	if err != nil {
		b.violationLocked("fault failed", fmt.Sprintf("%s: %v", a.kind, err))
	}
}

// detail describes a fault besides its kind.
func (a fault) detail() string {
	switch a.kind {
	case jumped:
		return fmt.Sprintf("by %s for %s", a.jump.Round(time.Second), a.span.Round(time.Millisecond))
	case outage:
		return fmt.Sprintf("for %s, status %d", a.span.Round(time.Millisecond), a.status)
	case slow, tooMany, rejectAll:
		return "for " + a.span.Round(time.Millisecond).String()
	case signedOut, restart:
		return fmt.Sprintf("replica %d", a.replica)
	case rejected, lostWork, lostReply, revoked, emptied, damaged:
	}
	return ""
}

// violation records a violation of this kind.
func (b *recorder) violation(what, format string, args ...any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.violationLocked(what, fmt.Sprintf(format, args...))
}

func (b *recorder) violationLocked(what, text string) {
	b.counts.Violations[what]++
	if b.counts.Violations[what] <= maxTexts {
		text = what + ": " + text
		b.violations = append(b.violations, b.at()+"  "+text)
		b.printLocked("VIOLATION %s", text)
	}
}

func (b *recorder) printf(format string, args ...any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.printLocked(format, args...)
}

func (b *recorder) printLocked(format string, args ...any) {
	fmt.Fprintf(b.out, "%9s  %-8s  %s\n", b.at(), b.name, fmt.Sprintf(format, args...))
}

// at returns the time since the beginning.
func (b *recorder) at() string { return b.since(time.Now()) }

// since returns the time from the beginning to an instant.
func (b *recorder) since(at time.Time) string {
	return at.Sub(b.began).Round(100 * time.Millisecond).String()
}

// read returns what was recorded so far.
func (b *recorder) read() (counts, []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.counts
	s.Events, s.Faults, s.Failures, s.Violations = maps.Clone(s.Events), maps.Clone(s.Faults), maps.Clone(s.Failures), maps.Clone(s.Violations)
	return s, slices.Clone(b.violations)
}
