package storetest

import (
	"io/fs"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// asideChecks are about an Asider's SetAside.
func asideChecks() []check {
	return []check{
		{"SetAside", setAside},
		{"SetAsideOfNothing", setAsideOfNothing},
		{"SetAsideAgain", setAsideAgain},
		{"SetAsideWithAnySuffix", setAsideWithAnySuffix},
	}
}

func setAside(t *testing.T, open Opener) {
	t.Helper()
	s, other := open(), open()
	a := asider(t, s)
	save(t, s, "record-one")
	load(t, other)
	require.NoError(t, a.SetAside(t.Context(), "damaged"))
	assertConflict(t, other, "record-two")
	assertNothing(t, other)
	save(t, s, "record-two") // knows that there is nothing
	assert.Equal(t, "record-two", load(t, other))
}

func setAsideOfNothing(t *testing.T, open Opener) {
	t.Helper()
	s := open()
	a := asider(t, s)
	require.ErrorIs(t, a.SetAside(t.Context(), "damaged"), fs.ErrNotExist)
	save(t, s, "record-one")
	require.NoError(t, a.SetAside(t.Context(), "damaged"))
	require.ErrorIs(t, a.SetAside(t.Context(), "damaged"), fs.ErrNotExist)
}

func setAsideAgain(t *testing.T, open Opener) {
	t.Helper()
	s := open()
	a := asider(t, s)
	for _, record := range []string{"record-one", "record-two", "record-three"} {
		save(t, s, record)
		require.NoError(t, a.SetAside(t.Context(), "damaged"))
		assertNothing(t, s)
	}
}

func setAsideWithAnySuffix(t *testing.T, open Opener) {
	t.Helper()
	s := open()
	a, unlock := asider(t, s), func() error { return nil }
	if _, ok := s.(Locker); ok {
		unlock = lock(t, s)
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
	if _, ok := s.(Locker); ok {
		assertLocked(t, open())
	}
	require.NoError(t, unlock())
}
