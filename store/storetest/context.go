package storetest

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"
)

// contextChecks are about contexts that are over.
func contextChecks() []check {
	return []check{
		{name: "ContextOver", run: contextOver},
		{name: "ContextOverWithNothingStored", run: contextOverWithNothingStored},
	}
}

// over returns a context that is over, with errTired.
func over(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errTired)
	return ctx
}

// assertTired calls every method with a context that is over.
func assertTired(t *testing.T, s Store) {
	t.Helper()
	ctx := over(t)
	data, err := s.Load(ctx)
	assert.Empty(t, data)
	assert.Equal(t, errTired, err)
	assert.Equal(t, errTired, s.Save(ctx, []byte("record-two")))
	assert.Equal(t, errTired, s.Delete(ctx))
	if l, ok := s.(Locker); ok {
		unlock, err := l.Lock(ctx)
		assert.Nil(t, unlock)
		assertTiredOrUnable(t, err)
	}
	if a, ok := s.(Asider); ok {
		assertTiredOrUnable(t, a.SetAside(ctx, "damaged"))
	}
}

// assertTiredOrUnable asserts that err is errTired, or says that there is no such
// thing.
func assertTiredOrUnable(t *testing.T, err error) {
	t.Helper()
	if !errors.Is(err, errors.ErrUnsupported) {
		assert.Equal(t, errTired, err)
	}
}

func contextOver(t *testing.T, open Opener) {
	t.Helper()
	s := open()
	save(t, s, "record-one")
	assertTired(t, s)
	assert.Equal(t, "record-one", load(t, open()), "nothing is changed")
	save(t, s, "record-two") // nor is what s knows of it
}

func contextOverWithNothingStored(t *testing.T, open Opener) {
	t.Helper()
	s := open()
	assertTired(t, s)
	assertNothing(t, s)
}
