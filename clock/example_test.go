package clock_test

import (
	"context"
	"fmt"
	"time"

	"github.com/agsauth/agsauth/clock"
)

// poll is code to be tested: it looks, and looks again every interval until it
// finds something. Its clock is given to it.
func poll(ctx context.Context, c clock.Clock, interval time.Duration, look func() bool) error {
	for !look() {
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

// Code that waits is driven from one wait to the next: BlockUntil returns when
// it has come to the next one, AdvanceToNext ends that. An hour's waiting takes no
// time, and is the same in every run.
func ExampleFake() {
	ctx := context.Background()
	fake := clock.NewFake(time.Date(2026, time.March, 4, 12, 0, 0, 0, time.UTC))

	looks := 0
	done := make(chan error)
	go func() {
		done <- poll(ctx, fake, 20*time.Minute, func() bool {
			looks++
			fmt.Println("look", looks, "at", fake.Now().Format(time.Kitchen))
			return looks == 4
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
	// look 1 at 12:00PM
	// look 2 at 12:20PM
	// look 3 at 12:40PM
	// look 4 at 1:00PM
	// <nil> after 1h0m0s
}

// A machine that sleeps has a wall clock that jumps and timers that stand still.
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
