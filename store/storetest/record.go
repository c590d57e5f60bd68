package storetest

import (
	"bytes"
	"io/fs"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// recordChecks test Load, Save and Delete.
func recordChecks() []check {
	return []check{
		{name: "NothingStored", run: nothingStored},
		{name: "SavedIsLoaded", run: savedIsLoaded},
		{name: "AnyBytes", run: anyBytes},
		{name: "BytesAreCopied", run: bytesAreCopied},
		{name: "SaveWithoutLoadOnlyCreates", run: saveWithoutLoadOnlyCreates},
		{name: "SaveAfterNothingOnlyCreates", run: saveAfterNothingOnlyCreates},
		{name: "SaveFollowsSave", run: saveFollowsSave},
		{name: "SaveConflict", run: saveConflict},
		{name: "SaveAfterDeleteByOther", run: saveAfterDeleteByOther},
		{name: "SaveAfterReplacementByOther", run: saveAfterReplacementByOther},
		{name: "Delete", run: deleteRecord},
		{name: "DeleteThenSaveOnlyCreates", run: deleteThenSaveOnlyCreates},
		{name: "DeleteByOther", run: deleteByOther},
	}
}

func assertNothing(t *testing.T, s Store) {
	t.Helper()
	data, err := s.Load(t.Context())
	assert.Empty(t, data)
	require.ErrorIs(t, err, fs.ErrNotExist)
	assert.NotErrorIs(t, err, fs.ErrExist)
}

func assertConflict(t *testing.T, s Store, record string) {
	t.Helper()
	err := s.Save(t.Context(), []byte(record))
	require.ErrorIs(t, err, fs.ErrExist)
	require.NotErrorIs(t, err, fs.ErrNotExist)
	assert.NotContains(t, err.Error(), record)
}

func nothingStored(t *testing.T, open Opener) {
	t.Helper()
	s := open()
	assertNothing(t, s)
	assertNothing(t, s)
	require.NoError(t, s.Delete(t.Context()), "Delete with nothing stored")
	assertNothing(t, s)
}

func savedIsLoaded(t *testing.T, open Opener) {
	t.Helper()
	s := open()
	save(t, s, "record-one")
	assert.Equal(t, "record-one", load(t, s))
	assert.Equal(t, "record-one", load(t, s), "Load again")
	assert.Equal(t, "record-one", load(t, open()), "Load by another user")
}

func anyBytes(t *testing.T, open Opener) {
	t.Helper()
	r := rand.New(rand.NewPCG(1, 2))
	random := func(n int) string {
		b := make([]byte, n)
		for i := range b {
			b[i] = byte(r.IntN(256))
		}
		return string(b)
	}
	records := []string{
		"", "\x00", "\n", "\r\n", " ", "{}", "null", "\xff\xfe", "\xef\xbb\xbf{}", "\x1a", "ends in a newline\n",
		"\x00 in the middle \x00", "ünïcödé ☃", "%s %d %!", `\u0000"'` + "`$(x)", random(1), random(255), random(4096), random(65537),
		strings.Repeat("large ", 512<<10/6), "",
	}
	s := open()
	for _, record := range records {
		save(t, s, record)
		// assert.Equal would print half a megabyte.
		assert.True(t, load(t, s) == record, "%.40q", record)
		assert.True(t, load(t, open()) == record, "%.40q", record)
	}
}

func bytesAreCopied(t *testing.T, open Opener) {
	t.Helper()
	s, data := open(), []byte("record-one")
	require.NoError(t, s.Save(t.Context(), data))
	clear(data)
	got, err := s.Load(t.Context())
	require.NoError(t, err)
	assert.True(t, bytes.Equal([]byte("record-one"), got), "the store must keep a copy")
	clear(got)
	assert.Equal(t, "record-one", load(t, s), "Load must return a copy")
}

func saveWithoutLoadOnlyCreates(t *testing.T, open Opener) {
	t.Helper()
	s, other := open(), open()
	save(t, s, "record-one")
	assertConflict(t, other, "record-two")
	assertConflict(t, other, "record-two")
	assert.Equal(t, "record-one", load(t, s))
	assert.Equal(t, "record-one", load(t, other))
	save(t, other, "record-two")
}

func saveAfterNothingOnlyCreates(t *testing.T, open Opener) {
	t.Helper()
	s, other := open(), open()
	assertNothing(t, s)
	save(t, other, "record-one")
	assertConflict(t, s, "record-two")
	assert.Equal(t, "record-one", load(t, s))
}

func saveFollowsSave(t *testing.T, open Opener) {
	t.Helper()
	s := open()
	for _, record := range []string{"record-one", "record-two", "record-two", "record-three"} {
		save(t, s, record)
		assert.Equal(t, record, load(t, open()))
	}
}

func saveConflict(t *testing.T, open Opener) {
	t.Helper()
	s, other := open(), open()
	save(t, s, "record-one")
	load(t, other)
	save(t, other, "record-two")
	assertConflict(t, s, "record-three")
	assertConflict(t, s, "record-three")
	assert.Equal(t, "record-two", load(t, open()), "a conflict changes nothing")
	save(t, other, "record-two-more")

	assert.Equal(t, "record-two-more", load(t, s))
	save(t, s, "record-three")
	assertConflict(t, other, "record-four")
	assert.Equal(t, "record-three", load(t, other))
}

func saveAfterDeleteByOther(t *testing.T, open Opener) {
	t.Helper()
	s, other := open(), open()
	save(t, s, "record-one")
	require.NoError(t, other.Delete(t.Context()))
	assertConflict(t, s, "record-two")
	assertNothing(t, s)
	save(t, s, "record-two")
	assert.Equal(t, "record-two", load(t, other))
}

func saveAfterReplacementByOther(t *testing.T, open Opener) {
	t.Helper()
	s, other := open(), open()
	save(t, s, "record-one")
	require.NoError(t, other.Delete(t.Context()))
	save(t, other, "record-two")
	assertConflict(t, s, "record-three")
	assert.Equal(t, "record-two", load(t, s))
}

func deleteRecord(t *testing.T, open Opener) {
	t.Helper()
	s := open()
	save(t, s, "record-one")
	require.NoError(t, s.Delete(t.Context()))
	assertNothing(t, open())
	save(t, s, "record-two") // no conflict: s knows that nothing is stored
	assert.Equal(t, "record-two", load(t, open()))
	require.NoError(t, s.Delete(t.Context()))
	assertNothing(t, s)
}

func deleteThenSaveOnlyCreates(t *testing.T, open Opener) {
	t.Helper()
	s, other := open(), open()
	save(t, s, "record-one")
	require.NoError(t, s.Delete(t.Context()))
	save(t, other, "record-two")
	assertConflict(t, s, "record-three")
	assert.Equal(t, "record-two", load(t, s))
}

func deleteByOther(t *testing.T, open Opener) {
	t.Helper()
	s, other := open(), open()
	save(t, s, "record-one")
	require.NoError(t, other.Delete(t.Context()), "Delete needs no Load")
	assertNothing(t, s)
}
