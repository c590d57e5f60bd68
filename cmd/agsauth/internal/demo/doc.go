// Package demo plays a short life of a session: a gateway and an API with
// horizons of seconds, workers that call the API through the library, and
// everything that a gateway can do to them.
//
//	report, err := demo.Run(ctx, demo.Fast(), func(m demo.Moment) { … })
//
// It tells what happens as values, each a [Moment], and prints nothing: how a
// moment looks is the caller's affair. Nothing that it tells is secret.
package demo
