// Command loadgen is an example of a load generator: many virtual users call an API, each
// with a session of its own with the platform. A pool signs them on and refreshes their
// tokens in the background, at a rate that the gateway can take, so that no user's loop ever
// waits for a refresh. One HTTP client serves all users.
//
//	go run ./examples/loadgen -users 1000 -for 20s
//
// The gateway and the API are those of package agstest, in the same process, and the tokens
// are short-lived so that there are refreshes within the run. The exit status is 1 if a
// threshold was missed.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"time"
)

// options are the flags.
type options struct {
	users                  int
	rampUp, duration       time.Duration
	pause                  time.Duration // of a user between two requests
	tokenLifetime, latency time.Duration // of the gateway
	perSecond              float64       // calls of the gateway
	thresholds             thresholds
	inMemory               bool // for tests: no sockets
}

func main() {
	var o options
	flag.IntVar(&o.users, "users", 1000, "number of virtual users")
	flag.DurationVar(&o.rampUp, "ramp-up", 5*time.Second, "time in which the users start")
	flag.DurationVar(&o.duration, "for", 20*time.Second, "duration of the run, ramp-up included")
	flag.DurationVar(&o.pause, "pause", time.Second, "pause of a user after each request")
	flag.DurationVar(&o.tokenLifetime, "token-lifetime", 15*time.Second, "lifetime of an access token, in whole seconds")
	flag.DurationVar(&o.latency, "gateway-latency", 200*time.Millisecond, "time the gateway takes for a sign-on or a refresh")
	flag.Float64Var(&o.perSecond, "gateway-rate", 200, "sign-ons and refreshes a second, at most")
	flag.DurationVar(&o.thresholds.p95, "p95", 500*time.Millisecond, "threshold: 95 of 100 requests take less")
	flag.Float64Var(&o.thresholds.failed, "failed", 0.01, "threshold: a smaller share of the requests fails")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	result, err := run(ctx, o)
	if err != nil {
		fmt.Fprintln(os.Stderr, "loadgen:", err)
		os.Exit(1)
	}
	fmt.Print(result.text(o))
	if !result.passed(o.thresholds) {
		os.Exit(1)
	}
}
