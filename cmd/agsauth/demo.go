package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"

	"github.com/agsauth/agsauth/cmd/agsauth/internal/demo"
)

const demoUsage = `Usage: agsauth demo [--fast]

Starts a gateway and an API that it protects, both on this machine only, signs
on, and has eight workers call the API through the library. The gateway has
its bad moments; the demo tells each as it happens. The status is 0 if all of it
happened and no request failed.

    --fast   all within 9 seconds, rather than 45
`

// demo plays the demo, and tells of it line by line.
func (a app) demo(ctx context.Context, args []string) int {
	flags := flag.NewFlagSet("agsauth demo", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	fast := flags.Bool("fast", false, "")
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		fmt.Fprint(a.stdout, demoUsage)
		return exitOK
	case err != nil:
		return a.misuse(err.Error())
	case flags.NArg() > 0:
		return a.misuse(fmt.Sprintf("demo takes no argument %q", flags.Arg(0)))
	}

	plan := a.plan(*fast)
	fmt.Fprint(a.stdout, prologue(plan))
	report, err := demo.Run(ctx, plan, narrator{a.stdout}.tell)
	if err != nil && !report.Interrupted {
		fmt.Fprintf(a.stderr, "agsauth demo: %v\n", err)
		return exitFailed
	}
	fmt.Fprint(a.stdout, summary(report))
	switch {
	case report.Interrupted:
		return exitInterrupted
	case !report.OK():
		return exitFailed
	}
	return exitOK
}
