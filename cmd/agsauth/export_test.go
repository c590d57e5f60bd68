package main

import (
	"context"
	"io"

	"github.com/agsauth/agsauth/cmd/agsauth/internal/demo"
	"github.com/agsauth/agsauth/cmd/agsauth/internal/picture"
)

// Run is run.
func Run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	return run(ctx, args, stdout, stderr)
}

// RunWith is run with the demo's plan changed.
func RunWith(ctx context.Context, args []string, stdout, stderr io.Writer, change func(*demo.Plan)) int {
	return RunOn(ctx, nil, args, stdout, stderr, change)
}

// RunOn is RunWith on a screen, if there is one.
func RunOn(ctx context.Context, screen *picture.Screen, args []string, stdout, stderr io.Writer, change func(*demo.Plan)) int {
	a := app{stdout: stdout, stderr: stderr, screen: func() *picture.Screen { return screen }, plan: func(fast bool) demo.Plan {
		plan := usualPlan(fast)
		change(&plan)
		return plan
	}}
	return a.run(ctx, args)
}

// Narrate tells of a moment.
func Narrate(out io.Writer, m demo.Moment) { narrator{out}.tell(m) }

// ScreenOf is screenOf, Capable capable, and Summary summary.
var (
	ScreenOf = screenOf
	Capable  = capable
	Summary  = summary
)
