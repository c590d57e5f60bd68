package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"runtime/debug"

	"github.com/agsauth/agsauth/cmd/agsauth/internal/demo"
	"github.com/agsauth/agsauth/cmd/agsauth/internal/picture"
)

// The exit statuses of the command.
const (
	exitOK          = 0
	exitFailed      = 1   // what was asked for did not succeed
	exitMisuse      = 2   // the arguments make no sense
	exitInterrupted = 130 // by Ctrl-C, as shells have it
)

const usage = `Agsauth keeps one sign-on to an Authentication Gateway Service alive.

Usage:

    agsauth demo [--fast]   play a gateway's good and bad days, with workers that
                            notice none of it: in 45 seconds; with --fast in 9;
                            see agsauth demo --help for keys to meddle with
    agsauth version         print the version
    agsauth help            print this
`

// app is the command: where it prints, and what it plays.
type app struct {
	stdout, stderr io.Writer
	// plan says what the demo plays: the fast version or the usual one.
	plan func(fast bool) demo.Plan
	// screen returns what can be drawn on, or nil.
	screen func() *picture.Screen
}

// run carries out one command line, without the command's name, and returns the
// exit status. It touches no file, and reads only the keys pressed while it draws:
// which it does if stdout is a terminal that can be drawn on. The end of ctx
// interrupts it; it then winds up and returns within moments.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	screen := func() *picture.Screen { return screenOf(os.Stdin, stdout, os.Environ()) }
	return app{stdout: stdout, stderr: stderr, plan: usualPlan, screen: screen}.run(ctx, args)
}

func usualPlan(fast bool) demo.Plan {
	if fast {
		return demo.Fast()
	}
	return demo.Normal()
}

func (a app) run(ctx context.Context, args []string) int {
	if len(args) == 0 {
		fmt.Fprint(a.stderr, usage)
		return exitMisuse
	}
	switch args[0] {
	case "demo":
		return a.demo(ctx, args[1:])
	case "version", "--version":
		return a.version(args[1:])
	case "help", "-h", "-help", "--help":
		fmt.Fprint(a.stdout, usage)
		return exitOK
	}
	return a.misuse(fmt.Sprintf("there is no command %q", args[0]))
}

// misuse says what is wrong with the command line, and where to look it up.
func (a app) misuse(what string) int {
	fmt.Fprintf(a.stderr, "agsauth: %s; see agsauth help\n", what)
	return exitMisuse
}

// version prints what the build knows of itself.
func (a app) version(args []string) int {
	if len(args) > 0 {
		return a.misuse("version takes no arguments")
	}
	version, compiler := "(devel)", ""
	if info, ok := debug.ReadBuildInfo(); ok {
		compiler = " " + info.GoVersion
		if info.Main.Version != "" {
			version = info.Main.Version
		}
	}
	fmt.Fprintf(a.stdout, "agsauth %s%s\n", version, compiler)
	return exitOK
}
