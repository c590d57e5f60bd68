package ags

import (
	"context"
	"net/http"
	"reflect"
	"time"

	"github.com/google/uuid"
)

const correlationIDField = "X-Correlation-Id"

type (
	correlationIDKey struct{}
	withoutRetryKey  struct{}
)

// WithCorrelationID returns a context whose calls send id as their correlation
// identifier, which the platform writes to its logs. Calls of one flow should
// share one. A call without a valid id generates a random one.
func WithCorrelationID(ctx context.Context, id string) context.Context {
	return context.WithValue(ctx, correlationIDKey{}, id)
}

// CorrelationHeader returns a header with the correlation identifier of ctx, in the field
// that the gateway gets, or nil if ctx has no valid one. It is for requests to other services
// of the platform.
func CorrelationHeader(ctx context.Context) http.Header {
	if id, _ := ctx.Value(correlationIDKey{}).(string); isCredential(id) {
		return http.Header{correlationIDField: {id}}
	}
	return nil
}

// WithoutRetry returns a context whose calls make exactly one attempt, whatever
// [Config.Retry] says. It is for callers that have a retry schedule of their own.
func WithoutRetry(ctx context.Context) context.Context {
	return context.WithValue(ctx, withoutRetryKey{}, true)
}

// correlationID returns the correlation identifier for a call with ctx.
func correlationID(ctx context.Context) string {
	if header := CorrelationHeader(ctx); header != nil {
		return header.Get(correlationIDField)
	}
	return uuid.NewString()
}

// isWithoutRetry reports whether ctx comes from [WithoutRetry].
func isWithoutRetry(ctx context.Context) bool {
	once, _ := ctx.Value(withoutRetryKey{}).(bool)
	return once
}

// untraced is a context without the httptrace hooks of its parent, because a
// hook sees every header field that is written, and so the tokens.
type untraced struct {
	lifetime
	value func(key any) any
}

// lifetime is [context.Context] without its values.
type lifetime interface {
	Deadline() (deadline time.Time, ok bool)
	Done() <-chan struct{}
	Err() error
}

// withoutTraces returns ctx without the hooks of net/http/httptrace.
func withoutTraces(ctx context.Context) context.Context { return untraced{ctx, ctx.Value} }

// Value returns the parent's value for key, except for the keys of httptrace and
// net. Those have unexported types, and are recognized by their package.
func (c untraced) Value(key any) any {
	if t := reflect.TypeOf(key); t != nil {
		switch t.PkgPath() {
		case "net/http/httptrace", "internal/nettrace":
			return nil
		}
	}
	return c.value(key)
}
