package ags

import (
	"context"
	"reflect"
	"time"

	"github.com/google/uuid"
)

type (
	correlationKey struct{}
	onceKey        struct{}
)

// WithCorrelationID returns a context whose calls carry id as their correlation
// identifier, by which an operator finds them in the platform's logs. All calls
// that belong together should have the same one. Without it each call makes up
// its own; so does one whose id is empty or cannot stand in a header.
func WithCorrelationID(ctx context.Context, id string) context.Context {
	return context.WithValue(ctx, correlationKey{}, id)
}

// correlationID returns the identifier of the call that ctx belongs to.
func correlationID(ctx context.Context) string {
	if id, _ := ctx.Value(correlationKey{}).(string); isCredential(id) {
		return id
	}
	return uuid.NewString()
}

// WithoutRetry returns a context whose calls are attempted exactly once, whatever
// [Config.Retry] says: for a caller who repeats them at times of its own.
func WithoutRetry(ctx context.Context) context.Context {
	return context.WithValue(ctx, onceKey{}, true)
}

// attemptsOnce reports whether ctx comes from [WithoutRetry].
func attemptsOnce(ctx context.Context) bool {
	once, _ := ctx.Value(onceKey{}).(bool)
	return once
}

// untraced is a context without the trace hooks of the one it is made from: they
// would be shown every header field that is written, the tokens among them.
type untraced struct {
	lifetime
	value func(key any) any
}

// lifetime is what a context has besides its values.
type lifetime interface {
	Deadline() (deadline time.Time, ok bool)
	Done() <-chan struct{}
	Err() error
}

// withoutTraces returns ctx without the hooks of net/http/httptrace.
func withoutTraces(ctx context.Context) context.Context { return untraced{ctx, ctx.Value} }

// Value returns the value for key, but none for the keys under which
// net/http/httptrace and net keep their hooks. The keys' types are not exported,
// but say where they are from.
func (c untraced) Value(key any) any {
	if t := reflect.TypeOf(key); t != nil {
		switch t.PkgPath() {
		case "net/http/httptrace", "internal/nettrace":
			return nil
		}
	}
	return c.value(key)
}
