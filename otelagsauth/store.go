package otelagsauth

import (
	"context"
	"errors"
	"io/fs"

	"go.opentelemetry.io/otel/metric"

	"github.com/agsauth/agsauth/tokensource"
)

// The values of op.
const (
	opLoad     = "load"
	opSave     = "save"
	opDelete   = "delete"
	opLock     = "lock"
	opUnlock   = "unlock"
	opSetAside = "set_aside"
)

// What a Store may be, besides a Locker.
type (
	setAsider interface {
		SetAside(ctx context.Context, suffix string) error
	}
	noticer interface{ Notices() []error }
)

// The combinations of a Store with optional methods.
type (
	storeL struct {
		tokensource.Store
		tokensource.Locker
	}
	storeA struct {
		tokensource.Store
		setAsider
	}
	storeN struct {
		tokensource.Store
		noticer
	}
	storeLA struct {
		tokensource.Store
		tokensource.Locker
		setAsider
	}
	storeLN struct {
		tokensource.Store
		tokensource.Locker
		noticer
	}
	storeAN struct {
		tokensource.Store
		setAsider
		noticer
	}
	storeLAN struct {
		tokensource.Store
		tokensource.Locker
		setAsider
		noticer
	}
)

// instrumentStore returns a Store that measures each call of inner. It has the optional
// methods that inner has, and no others: a Source looks for them.
func instrumentStore(inner tokensource.Store, m *metrics, start stopwatch) tokensource.Store {
	innerLock, canLock := inner.(tokensource.Locker)
	innerAside, canSetAside := inner.(setAsider)
	n, hasNotices := inner.(noticer)
	timed := timer{m, start}
	s, l, a := store{inner, timed}, locker{innerLock, timed}, asider{innerAside, timed}
	switch [...]bool{canLock, canSetAside, hasNotices} {
	case [...]bool{true, false, false}:
		return storeL{s, l}
	case [...]bool{false, true, false}:
		return storeA{s, a}
	case [...]bool{false, false, true}:
		return storeN{s, n}
	case [...]bool{true, true, false}:
		return storeLA{s, l, a}
	case [...]bool{true, false, true}:
		return storeLN{s, l, n}
	case [...]bool{false, true, true}:
		return storeAN{s, a, n}
	case [...]bool{true, true, true}:
		return storeLAN{s, l, a, n}
	}
	return s
}

// timer records durations of calls of a store.
type timer struct {
	metrics *metrics
	start   stopwatch
}

// measure calls f and records how long it took, and the outcome.
func (t timer) measure(ctx context.Context, op string, f func() error) error {
	seconds := t.start()
	err := errNotReturned
	defer func() {
		outcome := storeOutcome(ctx, err)
		t.metrics.store.Record(ctx, seconds(), metric.WithAttributes(opKey.String(op), outcomeKey.String(outcome)))
	}()
	err = f()
	return err
}

// storeOutcome returns the outcome of a call of a store. That nothing is stored, and that
// there is no lock, are answers and not failures.
func storeOutcome(ctx context.Context, err error) string {
	switch {
	case err == nil, errors.Is(err, fs.ErrNotExist), errors.Is(err, errors.ErrUnsupported):
		return success
	case errors.Is(err, fs.ErrExist):
		return conflict
	case ctx.Err() == nil:
		return failure
	case errors.Is(context.Cause(ctx), context.DeadlineExceeded):
		return timeout
	}
	return canceled
}

// store measures the calls of a Store.
type store struct {
	inner tokensource.Store
	timer
}

func (s store) Load(ctx context.Context) (record []byte, err error) {
	err = s.measure(ctx, opLoad, func() error {
		record, err = s.inner.Load(ctx)
		return err
	})
	return record, err
}

func (s store) Save(ctx context.Context, record []byte) error {
	return s.measure(ctx, opSave, func() error { return s.inner.Save(ctx, record) })
}

func (s store) Delete(ctx context.Context) error {
	return s.measure(ctx, opDelete, func() error { return s.inner.Delete(ctx) })
}

// locker measures the calls of a Locker, and those of the unlock that it returns.
type locker struct {
	inner tokensource.Locker
	timer
}

func (l locker) Lock(ctx context.Context) (unlock func() error, err error) {
	err = l.measure(ctx, opLock, func() error {
		unlock, err = l.inner.Lock(ctx)
		return err
	})
	if err != nil || unlock == nil {
		return unlock, err
	}
	release := unlock
	return func() error { return l.measure(context.WithoutCancel(ctx), opUnlock, release) }, nil
}

// asider measures the calls of SetAside.
type asider struct {
	inner setAsider
	timer
}

func (a asider) SetAside(ctx context.Context, suffix string) error {
	return a.measure(ctx, opSetAside, func() error { return a.inner.SetAside(ctx, suffix) })
}
