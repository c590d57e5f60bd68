package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"sync"
	"time"

	"github.com/agsauth/agsauth/agstest"
)

// options are what a run is told.
type options struct {
	span    time.Duration
	seed    uint64
	callers int
	json    bool
}

func main() {
	var o options
	flag.DurationVar(&o.span, "for", 2*time.Minute, "how long it goes on")
	flag.Uint64Var(&o.seed, "seed", uint64(time.Now().UnixNano())%1_000_000, "what the schedule follows from")
	flag.IntVar(&o.callers, "callers", 200, "how many call at a time")
	flag.BoolVar(&o.json, "json", false, "print the summary as JSON, and nothing else")
	flag.Parse()
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt)
	defer cancel()
	ok, err := run(ctx, o, os.Stdout)
	if err != nil {
		fmt.Fprintln(os.Stderr, "soak:", err)
	}
	if !ok || err != nil {
		cancel()
		os.Exit(1)
	}
}

// run soaks, and prints what has come of it. ok is that nothing was violated.
func run(ctx context.Context, o options, out io.Writer) (ok bool, err error) {
	quiet()
	say := out
	if o.json {
		say = io.Discard
	}
	fmt.Fprintf(say, "soak for %s with %d callers, --seed %d\n", o.span, o.callers, o.seed)
	b := newBook(say)
	begin := take(b.began)
	s, err := build(ctx, b)
	if err != nil {
		return false, err
	}
	samples := s.soak(ctx, o)
	sum := s.sum(o, samples)
	if err := s.close(); err != nil {
		b.violated("at the end: %v", err)
	}
	sum.Begin, sum.End = begin, settled(b.began, begin.Goroutines)
	if sum.End.Goroutines > begin.Goroutines {
		b.violated("%d goroutines are left behind", sum.End.Goroutines-begin.Goroutines)
	}
	sum.sums, sum.Texts = b.read()
	if o.json {
		return sum.Violations == 0, json.NewEncoder(out).Encode(sum)
	}
	sum.print(out)
	return sum.Violations == 0, nil
}

// soak is the run itself. It returns what was sampled.
func (s *stage) soak(ctx context.Context, o options) []sample {
	t := s.begin(ctx, o.callers)
	// Callers go on until all are well: who is not asked does not refresh.
	defer t.end()
	playing, cancel := context.WithTimeout(ctx, o.span)
	defer cancel()
	var wg sync.WaitGroup
	wg.Go(func() { s.play(playing, newSchedule(o.seed)) })
	wg.Go(func() { s.report(playing) })
	samples := watch(playing, s.book.began)
	wg.Wait()
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), recovery)
	defer cancel()
	if !s.awaitWell(last) {
		s.book.violated("not well at the end: %s", s.ill())
	}
	return samples
}

// settled waits for what is just about to end, and returns what is in use then.
func settled(began time.Time, goroutines int) sample {
	for range 100 {
		if runtime.NumGoroutine() <= goroutines {
			break
		}
		pause(context.Background(), 20*time.Millisecond)
	}
	return take(began)
}

// check adds to the violations what can be told of the whole only.
func (s *stage) check(samples []sample) {
	stats := s.srv.Stats()
	if stats.Reuses > 0 {
		s.book.violated("%d refresh tokens were spent twice", stats.Reuses)
	}
	if stats.Devices != 1 {
		s.book.violated("%d devices were registered", stats.Devices)
	}
	if n := s.srv.MaxInFlight(agstest.Refresh); n > 1 {
		s.book.violated("%d refreshes were under way at a time", n)
	}
	acts, _ := s.book.read()
	if most := int(time.Since(s.book.began)/soonest) + 2*total(acts.Acts) + members; stats.Refreshes > most {
		s.book.violated("%d refreshes, and no more than %d were called for", stats.Refreshes, most)
	}
	if heap, goroutines := grown(samples); heap > heapGrowth+int64(stats.Refreshes)*keptOfRefresh || goroutines > moreGoroutines {
		s.book.violated("grown by %d KiB and %d goroutines", heap>>10, goroutines)
	}
}
