package clock_test

import (
	"context"
	"fmt"
	"time"

	"github.com/agsauth/agsauth/clock"
)

// poll is the code under test. It calls check every interval until check returns true.
func poll(ctx context.Context, c clock.Clock, interval time.Duration, check func() bool) error {
	for !check() {
		timer := c.NewTimer(interval)
		select {
		case <-timer.C():
		case <-ctx.Done():
			timer.Stop()
			return context.Cause(ctx)
		}
	}
	return nil
}

// BlockUntil returns when the code under test waits on the clock. AdvanceToNext ends
// that wait.
func ExampleFake() {
	ctx := context.Background()
	fake := clock.NewFake(time.Date(2026, time.March, 4, 12, 0, 0, 0, time.UTC))

	checks := 0
	done := make(chan error)
	go func() {
		done <- poll(ctx, fake, 20*time.Minute, func() bool {
			checks++
			fmt.Println("check", checks, "at", fake.Now().Format(time.Kitchen))
			return checks == 4
		})
	}()
	for range 3 {
		if err := fake.BlockUntil(ctx, 1); err != nil {
			fmt.Println(err)
		}
		fake.AdvanceToNext()
	}
	fmt.Println(<-done, "after", fake.Elapsed())
	// Output:
	// check 1 at 12:00PM
	// check 2 at 12:20PM
	// check 3 at 12:40PM
	// check 4 at 1:00PM
	// <nil> after 1h0m0s
}

// While a machine sleeps, its wall clock moves on, but its timers stop.
func ExampleFake_Suspend() {
	fake := clock.NewFake(time.Date(2026, time.March, 4, 12, 0, 0, 0, time.UTC))
	timer := fake.NewTimer(time.Minute)

	fake.Suspend(8 * time.Hour)
	fmt.Println(fake.Now().Format(time.Kitchen), "awake for", fake.Elapsed())

	fake.Advance(time.Minute)
	fmt.Println("fired at", (<-timer.C()).Format(time.Kitchen), "awake for", fake.Elapsed())
	// Output:
	// 8:00PM awake for 0s
	// fired at 8:01PM awake for 1m0s
}
