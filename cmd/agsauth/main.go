// Agsauth shows and uses the library of the same name, which keeps one sign-on to
// an Authentication Gateway Service alive.
package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/agsauth/agsauth/cmd/agsauth/internal/demo"
)

const usage = `Agsauth keeps one sign-on to an Authentication Gateway Service alive.

Usage:

    agsauth demo [--fast]   show how the library gets workers through a gateway's
                            faults, in 45 seconds, or in 9 with --fast; see
                            agsauth demo --help
    agsauth version         print the version
    agsauth help            print this text
`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// The first Ctrl-C ends the command in good order, the second one at once.
	context.AfterFunc(ctx, stop)
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// run executes a command line, without the program's name, and returns the exit
// status. The end of ctx interrupts it.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	if len(args) == 0 {
		fmt.Fprint(stderr, usage)
		return demo.ExitMisuse
	}
	switch args[0] {
	case "demo":
		return demo.Command{In: os.Stdin, Out: stdout, Err: stderr}.Run(ctx, args[1:])
	case "version", "--version":
		if len(args) > 1 {
			fmt.Fprintln(stderr, "agsauth: version takes no arguments; see agsauth help")
			return demo.ExitMisuse
		}
		if info, ok := debug.ReadBuildInfo(); ok {
			fmt.Fprintln(stdout, "agsauth", cmp.Or(info.Main.Version, "(devel)"), info.GoVersion)
		}
	case "help", "-h", "-help", "--help":
		fmt.Fprint(stdout, usage)
	default:
		fmt.Fprintf(stderr, "agsauth: there is no command %q; see agsauth help\n", args[0])
		return demo.ExitMisuse
	}
	return demo.ExitOK
}
