// Package demo is the command "agsauth demo". It runs a gateway with short token
// lifetimes, workers that call an API through the library, and a script of faults.
// It prints what happens, or draws it on a terminal with keys for more faults.
package demo

import (
	"context"
	"fmt"
	"io"
	"os"
	"runtime"

	"github.com/charmbracelet/x/ansi"
	"github.com/charmbracelet/x/term"

	"github.com/agsauth/agsauth/cmd/agsauth/internal/exit"
)

// Description is the help text of the command.
const Description = `Demo starts a gateway and an API that it protects, both on this machine only, signs
on, and has eight workers call the API through the library. The gateway fails in
several ways; the demo logs each as it happens. The exit status is 0 if all of it
happened and no request failed.

On a terminal of at least 60 × 12 cells the demo draws a picture, without colours
if NO_COLOR is set. These keys make more faults:

    o   outage: the gateway refuses every call for a moment
    r   reject: the API no longer accepts the current access token
    s   suspend: the machine sleeps until that token has expired; the clock jumps
    q   quit, as does Ctrl-C; the exit status is then 130

Requests that fail because of these keys are counted separately; the exit status
is then still 1. Steps that the keys prevent are reported, but excused.

With --many the demo shows two pools of 500 sessions whose tokens all expire at the
same time, one of them behind a gate. The pools are those of the library, in real
time; their gateways are simulated, and can answer only some of the calls at once. The
demo prints a line a second, for 9 seconds, also on a terminal. The exit status is 0
if no session behind the gate has expired, and most of the others have.`

// Command is the command "agsauth demo".
type Command struct {
	In  io.Reader // for keys
	Out io.Writer

	// Fast takes 9 seconds instead of 45. Plain prints lines of text on a terminal too.
	Fast, Plain bool

	// Adjust, for tests, changes the plan. Width and Height, for tests, make the
	// command draw on an Out that is no terminal.
	Adjust        func(*Plan)
	Width, Height int
}

// Run executes the command. The end of ctx interrupts it. The error has nothing to say if
// the report has said it.
func (c Command) Run(ctx context.Context) error {
	plan := Normal()
	if c.Fast {
		plan = Fast()
	}
	if c.Adjust != nil {
		c.Adjust(&plan)
	}
	show := c.print
	if !c.Plain && (c.Width > 0 || c.canDraw()) {
		show = c.draw
	}
	report, err := show(ctx, plan)
	if err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	return conclude(c.Out, report, report.Interrupted, report.OK())
}

// conclude prints the report of a demo. Its error has the exit status that the report calls
// for.
func conclude(out io.Writer, report any, isInterrupted, isOK bool) error {
	if _, err := fmt.Fprint(out, report); err != nil {
		return fmt.Errorf("demo: print the report: %w", err)
	}
	switch {
	case isInterrupted:
		return &exit.Error{Status: exit.Interrupted}
	case !isOK:
		return &exit.Error{Status: exit.Failure}
	}
	return nil
}

// print runs the demo and prints its events.
func (c Command) print(ctx context.Context, plan Plan) (Report, error) {
	const width = 80
	fmt.Fprintf(c.Out, `A gateway, an API that accepts its tokens, and %d workers that call the API.
An access token lasts %g s, and a session %g s, however often it is refreshed.
"demo" marks faults that are made on purpose; the rest is what comes of them.

`, plan.Workers, plan.Access.Seconds(), plan.Session.Seconds())
	return New(plan, func(e Event) { fmt.Fprintln(c.Out, ansi.Truncate(e.String(), width, "…")) }).Run(ctx)
}

// canDraw reports whether In and Out are a terminal that is large and able enough.
func (c Command) canDraw() bool {
	in, inFile := c.In.(*os.File)
	out, outFile := c.Out.(*os.File)
	if !inFile || !outFile || !term.IsTerminal(in.Fd()) || !capable(os.Getenv("TERM")) {
		return false
	}
	width, height, err := term.GetSize(out.Fd()) // fails if out is no terminal
	return err == nil && width >= minWidth && height >= minHeight
}

// capable reports by a terminal's name whether it can draw. On Windows it has no name.
func capable(name string) bool { return name != "dumb" && (name != "" || runtime.GOOS == "windows") }
