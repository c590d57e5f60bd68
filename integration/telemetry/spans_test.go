package telemetry_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/agsauth/agsauth/integration/internal/harness"
)

// traced is a client whose spans are recorded.
type traced struct {
	*http.Client

	env   *harness.Env
	url   string
	spans *tracetest.SpanRecorder

	mu       sync.Mutex // guards received
	received []trace.SpanContext
}

func newTraced(t *testing.T, plugIn plug) *traced {
	t.Helper()
	c := &traced{env: harness.NewEnv(t), spans: tracetest.NewSpanRecorder()}
	provider := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(c.spans))
	c.Client, c.url = newClient(t, c.env, plugIn, provider, func(r *http.Request) {
		ctx := propagation.TraceContext{}.Extract(r.Context(), propagation.HeaderCarrier(r.Header))
		c.mu.Lock()
		defer c.mu.Unlock()
		c.received = append(c.received, trace.SpanContextFromContext(ctx))
	})
	return c
}

// sent returns the trace contexts that the server has received.
func (c *traced) sent() []trace.SpanContext {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.received
}

// requestSpans returns the spans of requests. The others are those of their stages.
func (c *traced) requestSpans() []sdktrace.ReadOnlySpan {
	var spans []sdktrace.ReadOnlySpan
	for _, span := range c.spans.Ended() {
		if span.SpanKind() == trace.SpanKindClient && strings.HasPrefix(span.Name(), "HTTP POST") {
			spans = append(spans, span)
		}
	}
	return spans
}

func (c *traced) assertNoToken(t *testing.T) {
	t.Helper()
	authorizations := 0
	for _, span := range c.spans.Ended() {
		text := fmt.Sprintf("%s %v %v %v", span.Name(), span.Attributes(), span.Events(), span.Status())
		assert.False(t, c.env.HasToken(text), "span %q has a token", span.Name())
		for _, attribute := range span.Attributes() {
			if strings.EqualFold(string(attribute.Key), "http.request.header.authorization") {
				authorizations++
				assert.Equal(t, "****", attribute.Value.AsString())
			}
		}
	}
	assert.Positive(t, authorizations, "the instrumentation has seen the field")
}

func TestOtelhttp_AroundItHasASpanForEachCall(t *testing.T) {
	c := newTraced(t, around)
	require.NoError(t, c.env.RejectCurrent(t.Context()))
	require.NoError(t, harness.Exchange(t.Context(), c.Client, http.MethodPost, c.url, []byte("body")))

	spans, sent := c.requestSpans(), c.sent()
	require.Len(t, spans, 1)
	require.Len(t, sent, 2)
	for _, context := range sent {
		assert.Equal(t, spans[0].SpanContext().SpanID(), context.SpanID())
		assert.Equal(t, spans[0].SpanContext().TraceID(), context.TraceID())
	}
	assert.Equal(t, codes.Unset, spans[0].Status().Code)
	c.assertNoToken(t)
}

func TestOtelhttp_InsideItHasASpanForEachAttempt(t *testing.T) {
	c := newTraced(t, inside)
	require.NoError(t, c.env.RejectCurrent(t.Context()))
	parent := trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{1}, SpanID: trace.SpanID{2}, TraceFlags: trace.FlagsSampled})
	ctx := trace.ContextWithSpanContext(t.Context(), parent)
	require.NoError(t, harness.Exchange(ctx, c.Client, http.MethodPost, c.url, []byte("body")))

	spans, sent := c.requestSpans(), c.sent()
	require.Len(t, spans, 2)
	require.Len(t, sent, 2)
	for i, span := range spans {
		assert.Equal(t, span.SpanContext().SpanID(), sent[i].SpanID())
		assert.Equal(t, parent.TraceID(), sent[i].TraceID())
		assert.Equal(t, parent.SpanID(), span.Parent().SpanID())
	}
	assert.Equal(t, codes.Error, spans[0].Status().Code, "the rejected attempt")
	assert.Equal(t, codes.Unset, spans[1].Status().Code)
	c.assertNoToken(t)
}

func TestOtelhttp_TheEndOfTheSessionHasASpanOnlyAround(t *testing.T) {
	for name, of := range map[string]struct {
		plugIn plug
		spans  int
	}{"around": {around, 1}, "inside": {inside, 0}} {
		t.Run(name, func(t *testing.T) {
			c := newTraced(t, of.plugIn)
			c.env.EndSession()
			require.Error(t, harness.Exchange(t.Context(), c.Client, http.MethodPost, c.url, nil))
			spans := c.requestSpans()
			require.Len(t, spans, of.spans)
			for _, span := range spans {
				assert.Contains(t, span.Status().Description, "login required")
				assert.False(t, c.env.HasToken(span.Status().Description))
			}
			assert.Empty(t, c.sent())
		})
	}
}
