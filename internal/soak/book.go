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

// keptTexts is how many violations of a kind are kept whole. The others are counted.
const keptTexts = 10

// book takes down what happens. It is safe for concurrent use.
type book struct {
	name  string // of whose it is
	began time.Time
	say   io.Writer // where violations and acts are told of as they come; may be discarded

	mu         sync.Mutex // guards all below
	sums       sums
	violations []string
}

// sums are what there is to count.
type sums struct {
	Calls       int            `json:"calls"`
	Allowed     int            `json:"failed_allowed"`
	Unexplained int            `json:"failed_unexplained"`
	Slowest     time.Duration  `json:"slowest_ns"`
	Events      map[string]int `json:"events"`
	Acts        map[string]int `json:"acts"`
	Failures    map[string]int `json:"failures_allowed"`
	Violations  map[string]int `json:"violations"`
}

func newBook(name string, say io.Writer) *book {
	return &book{name: name, began: time.Now(), say: say, sums: sums{
		Events: map[string]int{}, Acts: map[string]int{}, Failures: map[string]int{}, Violations: map[string]int{},
	}}
}

func (b *book) called(c *call, explained bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.sums.Calls++
	b.sums.Slowest = max(b.sums.Slowest, c.end.Sub(c.begin))
	switch {
	case c.outcome == served:
	case explained:
		b.sums.Allowed++
		b.sums.Failures[c.allowed()]++
	default:
		b.sums.Unexplained++
		b.violatedLocked("call failed: "+c.cause(), fmt.Sprintf("member %d, after %s, its last token dying in %s: %s",
			c.member, c.end.Sub(c.begin).Round(time.Millisecond), c.tokenDead.Sub(c.end).Round(time.Millisecond), c.text))
	}
}

func (b *book) told(e *tokensource.Event) {
	b.mu.Lock()
	defer b.mu.Unlock()
	what := e.Kind.String()
	if e.Reason != 0 {
		what += " (" + e.Reason.String() + ")"
	}
	b.sums.Events[what]++
}

// survived notes that an act is over.
func (b *book) survived(a act, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.sums.Acts[string(a.kind)]++
	b.sayLocked("%s %s", a.kind, a.detail())
	if err != nil {
		b.violatedLocked("act failed", fmt.Sprintf("%s: %v", a.kind, err))
	}
}

// detail is what there is to know of an act besides its kind.
func (a act) detail() string {
	switch a.kind {
	case jumped:
		return fmt.Sprintf("by %s for %s", a.jump.Round(time.Second), a.span.Round(time.Millisecond))
	case outage:
		return fmt.Sprintf("for %s, status %d", a.span.Round(time.Millisecond), a.status)
	case slow, tooMany, storm:
		return "for " + a.span.Round(time.Millisecond).String()
	case signedOut, restart:
		return fmt.Sprintf("member %d", a.member)
	case rejected, lostWork, lostReply, revoked, emptied, damaged:
	}
	return ""
}

// violated notes what must not be, and of which kind it is.
func (b *book) violated(what, format string, args ...any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.violatedLocked(what, fmt.Sprintf(format, args...))
}

func (b *book) violatedLocked(what, text string) {
	b.sums.Violations[what]++
	if b.sums.Violations[what] <= keptTexts {
		text = what + ": " + text
		b.violations = append(b.violations, b.at()+"  "+text)
		b.sayLocked("VIOLATION %s", text)
	}
}

func (b *book) tell(format string, args ...any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.sayLocked(format, args...)
}

func (b *book) sayLocked(format string, args ...any) {
	fmt.Fprintf(b.say, "%9s  %-8s  %s\n", b.at(), b.name, fmt.Sprintf(format, args...))
}

// at is how long it has been going on.
func (b *book) at() string { return b.since(time.Now()) }

// since is how far an instant is from the beginning.
func (b *book) since(at time.Time) string {
	return at.Sub(b.began).Round(100 * time.Millisecond).String()
}

// read returns what was taken down so far.
func (b *book) read() (sums, []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.sums
	s.Events, s.Acts, s.Failures, s.Violations = maps.Clone(s.Events), maps.Clone(s.Acts), maps.Clone(s.Failures), maps.Clone(s.Violations)
	return s, slices.Clone(b.violations)
}
