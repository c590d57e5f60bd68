package storetest

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"
)

// contextChecks test contexts that have ended.
func contextChecks() []check {
	return []check{
		{name: "ContextEnded", run: contextEnded},
		{name: "ContextEndedWithNothingStored", run: contextEndedWithNothingStored},
	}
}

// endedContext returns a context that has ended, with errCause.
func endedContext(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errCause)
	return ctx
}

// assertContextEnded calls every method with a context that has ended.
func assertContextEnded(t *testing.T, s Store) {
	t.Helper()
	ctx := endedContext(t)
	data, err := s.Load(ctx)
	assert.Empty(t, data)
	assert.Equal(t, errCause, err)
	assert.Equal(t, errCause, s.Save(ctx, []byte("record-two")))
	assert.Equal(t, errCause, s.Delete(ctx))
	if l, ok := s.(Locker); ok {
		unlock, err := l.Lock(ctx)
		assert.Nil(t, unlock)
		assertCauseOrUnsupported(t, err)
	}
	if a, ok := s.(Asider); ok {
		assertCauseOrUnsupported(t, a.SetAside(ctx, "damaged"))
	}
}

// assertCauseOrUnsupported asserts that err is errCause, or Is errors.ErrUnsupported.
func assertCauseOrUnsupported(t *testing.T, err error) {
	t.Helper()
	if !errors.Is(err, errors.ErrUnsupported) {
		assert.Equal(t, errCause, err)
	}
}

func contextEnded(t *testing.T, open Opener) {
	t.Helper()
	s := open()
	save(t, s, "record-one")
	assertContextEnded(t, s)
	assert.Equal(t, "record-one", load(t, open()), "nothing is changed")
	save(t, s, "record-two") // no conflict: s has loaded the record
}

func contextEndedWithNothingStored(t *testing.T, open Opener) {
	t.Helper()
	s := open()
	assertContextEnded(t, s)
	assertNothing(t, s)
}
