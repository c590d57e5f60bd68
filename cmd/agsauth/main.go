// Agsauth signs on to an Authentication Gateway Service once, and gives programs in any
// language access tokens that are valid. It uses the library of the same name.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/agsauth/agsauth/cmd/agsauth/internal/command"
	"github.com/agsauth/agsauth/cmd/agsauth/internal/exit"
)

func main() {
	env := command.SystemEnv()
	ctx, cancel := context.WithCancelCause(context.Background())
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGQUIT)
	if !signal.Ignored(syscall.SIGHUP) { // as nohup does
		signal.Notify(signals, syscall.SIGHUP)
	}
	// Without this, a message to a pipe that nobody reads would kill the process, even
	// during a refresh. With it, the write fails.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	go interrupt(signals, env, cancel)
	os.Exit(command.Run(ctx, env, os.Args[1:]))
}

// interrupt ends the command in good order at the first signal, and at once at the
// next one. But it never kills a refresh or a sign-on that is under way, because its
// tokens would be lost.
func interrupt(signals <-chan os.Signal, env *command.Env, cancel context.CancelCauseFunc) {
	select {
	case <-signals:
	case <-env.SignalsTaken():
		select {
		case <-signals: // one that has arrived before
			cancel(exit.ErrInterrupted)
		default:
		}
		return
	}
	cancel(exit.ErrInterrupted)
	sayWaiting(env)
	for range signals {
		if !sayWaiting(env) {
			os.Exit(exit.Interrupted)
		}
	}
}

// sayWaiting tells the user why the program has not ended yet, if a refresh
// or sign-on is under way.
func sayWaiting(env *command.Env) bool {
	waiting := env.Refreshing()
	if waiting {
		fmt.Fprintln(env.Err, "agsauth: waits for a refresh or sign-on that is under way, so that its tokens are saved")
	}
	return waiting
}
