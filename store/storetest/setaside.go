package storetest

import (
	"errors"
	"io/fs"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// asideChecks test SetAside.
func asideChecks() []check {
	return all(
		requireSetAside,
		check{name: "SetAside", run: setAside},
		check{name: "SetAsideWithNothingStored", run: setAsideWithNothingStored},
		check{name: "SetAsideAgain", run: setAsideAgain},
		check{name: "SetAsideThenSaveOnlyCreates", run: setAsideThenSaveOnlyCreates},
		check{name: "SetAsideWithAnySuffix", run: setAsideWithAnySuffix},
	)
}

func setAside(t *testing.T, open Opener) {
	t.Helper()
	s, other := open(), open()
	a := s.(Asider)
	save(t, s, "record-one")
	load(t, other)
	require.NoError(t, a.SetAside(t.Context(), "damaged"))
	assertConflict(t, other, "record-two")
	assertNothing(t, other)
	save(t, s, "record-two") // no conflict: s knows that nothing is stored
	assert.Equal(t, "record-two", load(t, other))
}

func setAsideWithNothingStored(t *testing.T, open Opener) {
	t.Helper()
	s := open()
	a := s.(Asider)
	require.ErrorIs(t, a.SetAside(t.Context(), "damaged"), fs.ErrNotExist)
	save(t, s, "record-one")
	require.NoError(t, a.SetAside(t.Context(), "damaged"))
	require.ErrorIs(t, a.SetAside(t.Context(), "damaged"), fs.ErrNotExist)
}

func setAsideAgain(t *testing.T, open Opener) {
	t.Helper()
	s := open()
	a := s.(Asider)
	for _, record := range []string{"record-one", "record-two", "record-three"} {
		save(t, s, record)
		require.NoError(t, a.SetAside(t.Context(), "damaged"))
		assertNothing(t, s)
	}
}

func setAsideThenSaveOnlyCreates(t *testing.T, open Opener) {
	t.Helper()
	s, other := open(), open()
	save(t, s, "record-one")
	require.NoError(t, s.(Asider).SetAside(t.Context(), "damaged"))
	save(t, other, "record-two")
	assertConflict(t, s, "record-three")
	assert.Equal(t, "record-two", load(t, s))
}

func setAsideWithAnySuffix(t *testing.T, open Opener) {
	t.Helper()
	s := open()
	a, unlock := s.(Asider), func() error { return nil }
	locked := false
	if _, ok := s.(Locker); ok {
		held, err := lockWithin(t.Context(), t, s)
		if !errors.Is(err, errors.ErrUnsupported) {
			require.NoError(t, err)
			unlock, locked = held, true
		}
	}
	suffixes := []string{
		"", ".", "..", "lock", "guard", "tmp", "a/b", "../../x", `..\x`, "a b", "é☃", "\x00", "*", "2026-03-04T12:00:00Z",
		strings.Repeat("long", 1000),
	}
	for _, suffix := range suffixes {
		save(t, s, "record-one")
		require.NoError(t, a.SetAside(t.Context(), suffix), "%.40q", suffix)
		assertNothing(t, s)
	}
	if locked {
		assertLocked(t, open())
	}
	require.NoError(t, unlock())
}
