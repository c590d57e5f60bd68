package otelagsauth_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/agsauth/agsauth/ags"
	"github.com/agsauth/agsauth/agstest"
	"github.com/agsauth/agsauth/tokensource"
)

// span returns the only ended span of this name.
func (r *rig) span(name string) sdktrace.ReadOnlySpan {
	r.t.Helper()
	var found []sdktrace.ReadOnlySpan
	for _, s := range r.spans.Ended() {
		if s.Name() == name {
			found = append(found, s)
		}
	}
	require.Len(r.t, found, 1)
	return found[0]
}

// request returns the context of a request that has a span.
func (r *rig) request() (context.Context, trace.SpanContext) {
	ctx, span := r.traces.Tracer("a program").Start(r.t.Context(), "GET /profile")
	return ctx, span.SpanContext()
}

func TestSpans_AreLinkedToTheRequest(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		var inCall []trace.SpanContext
		note := func(ctx context.Context) { inCall = append(inCall, trace.SpanContextFromContext(ctx)) }
		signOnWith := tokensource.SignOnWith(r.gateway, signOn())
		src := r.source(func(cfg *tokensource.Config) {
			cfg.Refresher = refresherFunc(func(ctx context.Context, t *ags.Token) (*ags.Token, error) {
				note(ctx)
				return r.gateway.Refresh(ctx, t)
			})
			cfg.Login = func(ctx context.Context, ended *tokensource.LoginRequiredError) (*ags.Token, error) {
				note(ctx)
				return signOnWith(ctx, ended)
			}
		})
		ctx, first := r.request()
		require.NoError(t, ask(ctx, src))
		time.Sleep(2 * time.Hour)
		ctx, second := r.request()
		require.NoError(t, ask(ctx, src))
		for i, tt := range []struct {
			name  string
			cause trace.SpanContext
		}{{"agsauth.login", first}, {"agsauth.refresh", second}} {
			span := r.span(tt.name)
			assert.False(t, span.Parent().IsValid(), "it is a root")
			assert.NotEqual(t, tt.cause.TraceID(), span.SpanContext().TraceID())
			require.Len(t, span.Links(), 1)
			assert.Equal(t, tt.cause, span.Links()[0].SpanContext)
			assert.Equal(t, span.SpanContext(), inCall[i], "the client's spans are its children")
			assert.Equal(t, codes.Unset, span.Status().Code)
		}
	})
}

// The refresh outlives the request that caused it, and its span ends with the refresh.
func TestSpans_OutliveTheRequest(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		src := r.source(nil)
		require.NoError(t, ask(t.Context(), src))
		time.Sleep(2 * time.Hour)
		r.srv.Script(agstest.Refresh, agstest.Fault{Delay: 5 * time.Second})
		ctx, cause := r.request()
		ctx, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		require.ErrorIs(t, ask(ctx, src), context.DeadlineExceeded)
		assert.Empty(t, r.ended("agsauth.refresh"))
		time.Sleep(4 * time.Second)
		require.NoError(t, ask(t.Context(), src))
		span := r.span("agsauth.refresh")
		assert.Equal(t, cause, span.Links()[0].SpanContext)
		assert.Equal(t, 5*time.Second, span.EndTime().Sub(span.StartTime()))
	})
}

func TestSpans_WithoutARequestHaveNoLink(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		require.NoError(t, ask(t.Context(), r.source(nil)))
		assert.Empty(t, r.span("agsauth.login").Links())
	})
}

func TestSpans_OfACallThatPanicsEnd(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		src := r.source(func(cfg *tokensource.Config) {
			cfg.Token = &ags.Token{AccessToken: ags.NewSecret("a"), RefreshToken: ags.NewSecret("r"), ExpiresAt: time.Now().Add(-time.Hour)}
			cfg.Refresher = refresherFunc(func(context.Context, *ags.Token) (*ags.Token, error) { panic("the user's") })
			cfg.Login = func(context.Context, *tokensource.LoginRequiredError) (*ags.Token, error) { panic("the user's") }
		})
		require.Error(t, ask(t.Context(), src))
		require.NoError(t, src.SetToken(t.Context(), &ags.Token{AccessToken: ags.NewSecret("b"), ExpiresAt: time.Now().Add(time.Minute)}))
		time.Sleep(time.Hour)
		require.Error(t, ask(t.Context(), src))
		for _, name := range []string{"agsauth.refresh", "agsauth.login"} {
			status := r.span(name).Status()
			assert.Equal(t, codes.Error, status.Code)
			assert.Empty(t, status.Description)
			assert.Equal(t, []string{"error.type=other,outcome=failure"}, r.ended(name))
			r.want(name+".duration", "error.type=other,outcome=failure", 1, 0)
		}
	})
}

// A Refresher finds the end of its time in its context.
func TestRefresher_GetsTheContextOfTheSource(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		var waited []time.Duration
		src := r.source(func(cfg *tokensource.Config) {
			cfg.Refresher = refresherFunc(func(ctx context.Context, _ *ags.Token) (*ags.Token, error) {
				began := time.Now()
				<-ctx.Done()
				waited = append(waited, time.Since(began))
				return nil, context.Cause(ctx)
			})
		})
		require.NoError(t, ask(t.Context(), src))
		time.Sleep(2 * time.Hour)
		require.Error(t, ask(t.Context(), src))
		assert.Equal(t, []time.Duration{10 * time.Second, 5 * time.Second}, waited)
		r.want("agsauth.refresh.duration", "error.type=timeout,outcome=failure", 1, 15)
	})
}

type refresherFunc func(context.Context, *ags.Token) (*ags.Token, error)

func (f refresherFunc) Refresh(ctx context.Context, t *ags.Token) (*ags.Token, error) {
	return f(ctx, t)
}

func TestRefresher_HasSignOutIfTheInnerHas(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		type signOuter interface {
			SignOut(ctx context.Context, t *ags.Token) error
		}
		outer := r.telemetry.Instrument(tokensource.Config{Refresher: refresherFunc(r.gateway.Refresh)}).Refresher
		_, ok := outer.(signOuter)
		assert.False(t, ok)

		src := r.source(nil)
		require.NoError(t, ask(t.Context(), src))
		require.NoError(t, src.SignOut(t.Context()))
		assert.Equal(t, 1, r.srv.Count(agstest.SignOut))
	})
}
