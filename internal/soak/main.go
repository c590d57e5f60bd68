package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/agsauth/agsauth/agstest"
)

// options are what a run is told.
type options struct {
	span    time.Duration
	horizon time.Duration
	seed    uint64
	callers int
	json    bool
	// inMemory has the platform listen in memory, for a test in a bubble.
	inMemory bool
}

func main() {
	var o options
	flag.DurationVar(&o.span, "for", 2*time.Minute, "how long it goes on")
	flag.DurationVar(&o.horizon, "horizon", 0, "how long a session lasts that nothing ends (default 48m, or what a shorter run reaches twice)")
	flag.Uint64Var(&o.seed, "seed", uint64(time.Now().UnixNano())%1_000_000, "what the schedules follow from")
	flag.IntVar(&o.callers, "callers", 200, "how many call at a time; a few at least")
	flag.BoolVar(&o.json, "json", false, "print the summary as JSON, and nothing else")
	flag.Parse()
	if o.horizon == 0 {
		o.horizon = horizonOf(o.span)
	}
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

// horizonOf returns how long a session lasts where nobody says it: as long as it should,
// if a run is longer, and otherwise what it reaches twice, if it is not too short.
func horizonOf(span time.Duration) time.Duration {
	if span > fixedLifetime {
		return fixedLifetime
	}
	return max(span*3/8, shortLifetime).Truncate(time.Second)
}

// run soaks, and prints what has come of it. ok is that nothing was violated.
func run(ctx context.Context, o options, out io.Writer) (ok bool, err error) {
	quiet()
	say := out
	if o.json {
		say = io.Discard
	}
	fmt.Fprintf(say, "soak for %s with %d callers, --horizon %s --seed %d\n", o.span, o.callers, o.horizon, o.seed)
	whole := newBook("all", say)
	begin := take(whole.began)
	var stages []*stage
	for _, c := range casts(o.horizon) {
		c.inMemory = o.inMemory
		s, err := build(ctx, c, say)
		stages = append(stages, s)
		if err != nil {
			for _, s := range stages {
				err = errors.Join(err, s.close())
			}
			return false, err
		}
	}
	samples := soak(ctx, o, stages)
	sum := &summary{Seed: o.seed, Span: time.Since(whole.began), Callers: o.callers, Begin: begin}
	for _, s := range stages {
		sum.Stages = append(sum.Stages, s.sum())
	}
	sum.HeapGrowth, sum.MoreRunning = grown(samples)
	if sum.HeapGrowth > sum.heapAllowed() || sum.MoreRunning > moreGoroutines {
		whole.violated("grown", "by %d KiB and %d goroutines", sum.HeapGrowth>>10, sum.MoreRunning)
	}
	for _, s := range stages {
		if err := s.close(); err != nil {
			whole.violated("at the end", "%s: %v", s.name, err)
		}
	}
	sum.End = settled(whole.began, begin.Goroutines)
	if more := sum.End.Goroutines - begin.Goroutines; more > 0 {
		whole.violated("left behind", "%d goroutines", more)
	}
	n, texts := whole.read()
	sum.Violations, sum.Texts = n.Violations, texts
	if o.json {
		return sum.ok(), json.NewEncoder(out).Encode(sum)
	}
	sum.print(out)
	return sum.ok(), nil
}

// soak is the run itself. It returns what was sampled.
func soak(ctx context.Context, o options, stages []*stage) []sample {
	playing, cancel := context.WithTimeout(ctx, o.span)
	defer cancel()
	var wg sync.WaitGroup
	for _, s := range stages {
		wg.Go(func() { s.soak(ctx, playing, max(members, o.callers/len(stages)), newSchedule(o.seed, s.kinds)) })
	}
	samples := watch(playing, time.Now())
	wg.Wait()
	return samples
}

// soak plays the script while playing lasts, with callers at work.
func (s *stage) soak(ctx, playing context.Context, callers int, script *schedule) {
	feeling, stop := context.WithCancel(context.WithoutCancel(ctx))
	t := s.begin(ctx, callers)
	var wg sync.WaitGroup
	wg.Go(func() { s.feel(feeling) })
	wg.Go(func() { s.report(playing) })
	// Callers go on until all are well: who is not asked does not refresh.
	defer func() {
		t.end()
		stop()
		wg.Wait()
	}()
	s.play(playing, script)
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), recovery)
	defer cancel()
	if !s.awaitWell(last) {
		s.book.violated("not well again", "at the end: %s", s.ill())
	}
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
func (s *stage) check() {
	stats := s.srv.Stats()
	if stats.Reuses > 0 {
		s.book.violated("spent twice", "%d refresh tokens", stats.Reuses)
	}
	if stats.Devices != 1 {
		s.book.violated("devices", "%d were registered", stats.Devices)
	}
	if n := s.srv.MaxInFlight(agstest.Refresh); n > 1 {
		s.book.violated("at a time", "%d refreshes were under way", n)
	}
	acts, _ := s.book.read()
	if most := int(time.Since(s.book.began)/soonest) + 2*total(acts.Acts) + members; stats.Refreshes > most {
		s.book.violated("too many", "%d refreshes, and no more than %d were called for", stats.Refreshes, most)
	}
	for _, l := range s.model.reached(time.Now()) {
		if silent := s.model.unwarned(l); len(silent) > 0 {
			s.book.violated("not warned", "of the end at %s by members %v", s.book.since(l.end), silent)
		}
	}
	if slices.ContainsFunc(s.kinds, kind.endsSessions) {
		return
	}
	for _, l := range s.model.cutShort() {
		s.book.violated("session lost", "it was to end at %s, and was another's before", s.book.since(l.end))
	}
}
