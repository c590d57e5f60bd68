package otelagsauth

import (
	"context"
	"errors"

	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/agsauth/agsauth/ags"
	"github.com/agsauth/agsauth/tokensource"
)

// errNotReturned stands for the error of a call that has panicked, or ended its goroutine.
var errNotReturned = errors.New("the call has not returned")

// start begins the span of a call. It is the root of a trace of its own and is linked to
// the span in ctx, because the call may outlive the request that caused it and serves
// other requests, too. end ends the span.
func (i *Instrumentation) start(ctx context.Context, name string) (_ context.Context, end func(error)) {
	ctx, span := i.tracer.Start(ctx, name, trace.WithNewRoot(), trace.WithLinks(trace.LinkFromContext(ctx)))
	return ctx, func(err error) {
		// The text of an error may name an account. Only its class is exported.
		span.SetAttributes(outcomeOf(tokensource.ClassOf(err))...)
		if err != nil {
			span.SetStatus(codes.Error, "")
		}
		span.End()
	}
}

// signOuter is what a Refresher may be, too.
type signOuter interface {
	SignOut(ctx context.Context, t *ags.Token) error
}

// refresher returns a Refresher that makes a span of each call of inner.
func (i *Instrumentation) refresher(inner tokensource.Refresher) tokensource.Refresher {
	traced := &refresher{inner, i}
	if s, ok := inner.(signOuter); ok {
		return struct {
			*refresher
			signOuter
		}{traced, s}
	}
	return traced
}

type refresher struct {
	inner tokensource.Refresher
	to    *Instrumentation
}

// Refresh calls that of the inner Refresher in a span.
func (r *refresher) Refresh(ctx context.Context, t *ags.Token) (answer *ags.Token, err error) {
	ctx, end := r.to.start(ctx, "agsauth.refresh")
	err = errNotReturned
	defer func() { end(err) }()
	return r.inner.Refresh(ctx, t)
}

// login returns a LoginFunc that makes a span of each call of inner.
func (i *Instrumentation) login(inner tokensource.LoginFunc) tokensource.LoginFunc {
	return func(ctx context.Context, ended *tokensource.LoginRequiredError) (answer *ags.Token, err error) {
		ctx, end := i.start(ctx, "agsauth.login")
		err = errNotReturned
		defer func() { end(err) }()
		return inner(ctx, ended)
	}
}
