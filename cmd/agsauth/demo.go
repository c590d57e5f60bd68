package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"

	"github.com/agsauth/agsauth/cmd/agsauth/internal/demo"
	"github.com/agsauth/agsauth/cmd/agsauth/internal/picture"
)

const demoUsage = `Usage: agsauth demo [--fast] [--plain]

Starts a gateway and an API that it protects, both on this machine only, signs
on, and has eight workers call the API through the library. The gateway has
its bad moments; the demo tells each as it happens. The status is 0 if all of it
happened and no request failed.

On a terminal of 60 × 12 cells or more it is drawn, without colours if NO_COLOR is
set, and these keys do what the plan does not:

    o   outage: for a moment the gateway refuses every call
    r   reject: the API takes the current access token no more
    s   suspend: the machine sleeps until that token is dead; the clock jumps
    q   quit, as does Ctrl-C; the status is then 130

What fails because of them is counted as such; the status is then 1 all the same.
What else they put out of place is waived, and said to be.

    --fast    all within 9 seconds, rather than 45
    --plain   lines of text, on a terminal too
`

// demo plays the demo, and draws it or tells of it line by line.
func (a app) demo(ctx context.Context, args []string) int {
	flags := flag.NewFlagSet("agsauth demo", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	fast, plain := flags.Bool("fast", false, ""), flags.Bool("plain", false, "")
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		fmt.Fprint(a.stdout, demoUsage)
		return exitOK
	case err != nil:
		return a.misuse(err.Error())
	case flags.NArg() > 0:
		return a.misuse(fmt.Sprintf("demo takes no argument %q", flags.Arg(0)))
	}

	play := a.tell
	if screen := a.screen(); screen != nil && !*plain {
		play = func(ctx context.Context, plan demo.Plan) (demo.Report, error) {
			return picture.Play(ctx, plan, *screen, line)
		}
	}
	report, err := play(ctx, a.plan(*fast))
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

// tell plays the demo, and tells of it line by line.
func (a app) tell(ctx context.Context, plan demo.Plan) (demo.Report, error) {
	fmt.Fprint(a.stdout, prologue(plan))
	return demo.Run(ctx, plan, narrator{a.stdout}.tell)
}
