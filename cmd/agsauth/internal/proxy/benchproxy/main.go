// Benchproxy measures the proxy beside a bare [httputil.ReverseProxy], in one run: the
// latency that each adds, the throughput, and the memory for large bodies and many
// streams. The upstream and both proxies are processes of their own.
//
//	go run ./internal/proxy/benchproxy -out FILE
//
// With -check it fails if the proxy misses its targets.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"time"
)

// The targets: the latency that the proxy may add at the median to what a bare
// ReverseProxy takes, and the part of its throughput that it must keep.
const (
	maxAdded      = 60 * time.Microsecond
	minThroughput = 2.0 / 3
)

type options struct {
	out      string
	check    bool
	rounds   int
	slice    time.Duration
	parallel int
	streams  int
	gibi     int64
}

func main() {
	role := flag.String("role", "", "internal: serve as upstream, bare or agsauth")
	target := flag.String("target", "", "internal: the URL of the upstream")
	var o options
	flag.StringVar(&o.out, "out", "", "write the results to this file")
	flag.BoolVar(&o.check, "check", false, "fail if a target is missed")
	flag.IntVar(&o.rounds, "rounds", 21, "how often each is measured, in turn")
	flag.DurationVar(&o.slice, "slice", 300*time.Millisecond, "how long each is measured in a round")
	flag.IntVar(&o.parallel, "parallel", 64, "connections for the throughput")
	flag.IntVar(&o.streams, "streams", 1000, "streams that are open at once")
	flag.Int64Var(&o.gibi, "bytes", 1<<30, "length of the large bodies")
	flag.Parse()
	err := func() error {
		if *role != "" {
			return serveRole(*role, *target)
		}
		return run(context.Background(), o)
	}()
	if err != nil {
		fmt.Fprintln(os.Stderr, "benchproxy:", err)
		os.Exit(1)
	}
}

// run measures everything and writes the results.
func run(ctx context.Context, o options) error {
	upstream, err := start(ctx, "upstream", "")
	if err != nil {
		return err
	}
	defer upstream.stop()
	servers := []*server{upstream}
	for _, role := range []string{"bare", "agsauth"} {
		s, err := start(ctx, role, upstream.URL)
		if err != nil {
			return err
		}
		defer s.stop()
		servers = append(servers, s)
	}
	r := results{options: o, speeds: map[string]*speed{}}
	for _, parallel := range []int{1, 16, o.parallel} {
		if err := r.measureSpeed(ctx, servers, parallel); err != nil {
			return err
		}
	}
	for _, s := range servers[1:] {
		if err := r.measureMemory(ctx, s); err != nil {
			return err
		}
	}
	text := r.report()
	fmt.Print(text)
	if o.out != "" {
		if err := os.WriteFile(o.out, []byte(text), 0o600); err != nil {
			return err
		}
	}
	if missed := r.missed(); o.check && missed != "" {
		return errors.New(missed)
	}
	return nil
}
