package main

import (
	"context"
	"io"

	"github.com/agsauth/agsauth/cmd/agsauth/internal/demo"
)

// Run is run.
func Run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	return run(ctx, args, stdout, stderr)
}

// RunWith is run with the demo's plan changed.
func RunWith(ctx context.Context, args []string, stdout, stderr io.Writer, change func(*demo.Plan)) int {
	a := app{stdout: stdout, stderr: stderr, plan: func(fast bool) demo.Plan {
		plan := usualPlan(fast)
		change(&plan)
		return plan
	}}
	return a.run(ctx, args)
}

// Narrate tells of a moment.
func Narrate(out io.Writer, m demo.Moment) { narrator{out}.tell(m) }
