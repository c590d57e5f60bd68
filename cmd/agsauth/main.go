// Agsauth shows and uses the library of the same name, which keeps one sign-on
// to an Authentication Gateway Service alive.
//
//	agsauth demo    shows, within a minute, what the library does
//	agsauth help    tells of all commands
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// The first Ctrl-C ends what runs in good order, the second one at once.
	context.AfterFunc(ctx, stop)
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}
