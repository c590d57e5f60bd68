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

// options are the flags of a run.
type options struct {
	span     time.Duration
	lifetime time.Duration
	seed     uint64
	callers  int
	json     bool
	// inMemory makes the platform listen in memory, for a test in a synctest bubble.
	inMemory bool
}

func main() {
	var o options
	flag.DurationVar(&o.span, "for", 2*time.Minute, "duration of the run")
	flag.DurationVar(&o.lifetime, "lifetime", 0, "lifetime of a session (default 48m, or what a shorter run reaches twice)")
	flag.Uint64Var(&o.seed, "seed", uint64(time.Now().UnixNano())%1_000_000, "seed of the schedules")
	flag.IntVar(&o.callers, "callers", 200, "number of concurrent callers; a few at least")
	flag.BoolVar(&o.json, "json", false, "print the summary as JSON, and nothing else")
	flag.Parse()
	if o.lifetime == 0 {
		o.lifetime = lifetimeOf(o.span)
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

// lifetimeOf returns the default lifetime of a session: the full one if the run is longer,
// or else one that the run reaches twice, if that is not too short.
func lifetimeOf(span time.Duration) time.Duration {
	if span > fixedLifetime {
		return fixedLifetime
	}
	return max(span*3/8, shortLifetime).Truncate(time.Second)
}

// run runs the soak and prints its summary. ok reports that there was no violation.
func run(ctx context.Context, o options, out io.Writer) (ok bool, err error) {
	discardLog()
	progress := out
	if o.json {
		progress = io.Discard
	}
	fmt.Fprintf(progress, "soak for %s with %d callers, --lifetime %s --seed %d\n", o.span, o.callers, o.lifetime, o.seed)
	all := newRecorder("all", progress)
	begin := takeSample(all.began)
	var groups []*group
	for _, c := range groupConfigs(o.lifetime) {
		c.inMemory = o.inMemory
		g, err := newGroup(ctx, c, progress)
		groups = append(groups, g)
		if err != nil {
			for _, g := range groups {
				err = errors.Join(err, g.close())
			}
			return false, err
		}
	}
	samples := soak(ctx, o, groups)
	sum := &summary{Seed: o.seed, Span: time.Since(all.began), Callers: o.callers, Begin: begin}
	for _, g := range groups {
		sum.Groups = append(sum.Groups, g.summarize())
	}
	sum.HeapGrowth, sum.MoreRunning = growth(samples)
	if sum.HeapGrowth > sum.heapAllowed() || sum.MoreRunning > moreGoroutines {
		all.violation("grown", "by %d KiB and %d goroutines", sum.HeapGrowth>>10, sum.MoreRunning)
	}
	for _, g := range groups {
		if err := g.close(); err != nil {
			all.violation("at the end", "%s: %v", g.name, err)
		}
	}
	sum.End = settled(all.began, begin.Goroutines)
	if more := sum.End.Goroutines - begin.Goroutines; more > 0 {
		all.violation("left behind", "%d goroutines", more)
	}
	n, texts := all.read()
	sum.Violations, sum.Texts = n.Violations, texts
	if o.json {
		return sum.ok(), json.NewEncoder(out).Encode(sum)
	}
	sum.print(out)
	return sum.ok(), nil
}

// soak runs both groups and returns the samples of memory.
func soak(ctx context.Context, o options, groups []*group) []sample {
	runCtx, cancel := context.WithTimeout(ctx, o.span)
	defer cancel()
	var wg sync.WaitGroup
	for _, g := range groups {
		wg.Go(func() { g.soak(ctx, runCtx, max(replicas, o.callers/len(groups)), newSchedule(o.seed, g.kinds)) })
	}
	samples := takeSamples(runCtx, time.Now())
	wg.Wait()
	return samples
}

// soak plays the schedule until runCtx ends, while the callers call.
func (g *group) soak(ctx, runCtx context.Context, callers int, faults *schedule) {
	stallCtx, stop := context.WithCancel(context.WithoutCancel(ctx))
	t := g.begin(ctx, callers)
	var wg sync.WaitGroup
	wg.Go(func() { g.detectStalls(stallCtx) })
	wg.Go(func() { g.report(runCtx) })
	// Callers go on until all replicas are healthy: without calls nobody refreshes.
	defer func() {
		t.end()
		stop()
		wg.Wait()
	}()
	g.injectAll(runCtx, faults)
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), recoveryTimeout)
	defer cancel()
	if !g.awaitHealthy(last) {
		g.recorder.violation("not well again", "at the end: %s", g.unhealthy())
	}
}

// settled waits for what is about to end, and returns the memory in use then.
func settled(began time.Time, goroutines int) sample {
	for range 100 {
		if runtime.NumGoroutine() <= goroutines {
			break
		}
		pause(context.Background(), 20*time.Millisecond)
	}
	return takeSample(began)
}

// check adds the violations that only the whole run shows.
func (g *group) check() {
	stats := g.srv.Stats()
	if stats.Reuses > 0 {
		g.recorder.violation("spent twice", "%d refresh tokens", stats.Reuses)
	}
	if stats.Devices != 1 {
		g.recorder.violation("devices", "%d were registered", stats.Devices)
	}
	if n := g.srv.MaxInFlight(agstest.Refresh); n > 1 {
		g.recorder.violation("at a time", "%d refreshes were under way", n)
	}
	faults, _ := g.recorder.read()
	if most := int(time.Since(g.recorder.began)/soonest) + 2*total(faults.Faults) + replicas; stats.Refreshes > most {
		g.recorder.violation("too many", "%d refreshes, and no more than %d were called for", stats.Refreshes, most)
	}
	for _, l := range g.model.completed(time.Now()) {
		if silent := g.model.unwarned(l); len(silent) > 0 {
			g.recorder.violation("not warned", "of the end at %s by replicas %v", g.recorder.since(l.end), silent)
		}
	}
	if slices.ContainsFunc(g.kinds, kind.endsSessions) {
		return
	}
	for _, l := range g.model.replacedEarly() {
		g.recorder.violation("session lost", "its end was due at %s, and another session replaced it before", g.recorder.since(l.end))
	}
}
