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

// recordChecks are about one record, and who may replace it.
func recordChecks() []check {
	return []check{
		{name: "NothingStored", run: nothingStored},
		{name: "SavedIsLoaded", run: savedIsLoaded},
		{name: "AnyBytes", run: anyBytes},
		{name: "BytesAreCopied", run: bytesAreCopied},
		{name: "SaveWithoutLoadOnlyCreates", run: saveWithoutLoadOnlyCreates},
		{name: "SaveAfterNothingOnlyCreates", run: saveAfterNothingOnlyCreates},
		{name: "SaveFollowsSave", run: saveFollowsSave},
		{name: "SaveOntoAnothersRecord", run: saveOntoAnothersRecord},
		{name: "SaveOntoNothingLeft", run: saveOntoNothingLeft},
		{name: "SaveOntoARecordMadeAnew", run: saveOntoARecordMadeAnew},
		{name: "Delete", run: deleteForgets},
		{name: "DeleteThenSaveOnlyCreates", run: deleteThenSaveOnlyCreates},
		{name: "DeleteOfAnothersRecord", run: deleteOfAnothersRecord},
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
	require.NoError(t, s.Delete(t.Context()), "nothing to delete is nothing to complain of")
	assertNothing(t, s)
}

func savedIsLoaded(t *testing.T, open Opener) {
	t.Helper()
	s := open()
	save(t, s, "record-one")
	assert.Equal(t, "record-one", load(t, s))
	assert.Equal(t, "record-one", load(t, s), "loading takes nothing away")
	assert.Equal(t, "record-one", load(t, open()), "as seen by another process")
}

func anyBytes(t *testing.T, open Opener) {
	t.Helper()
	r := rand.New(rand.NewPCG(1, 2))
	noise := func(n int) string {
		b := make([]byte, n)
		for i := range b {
			b[i] = byte(r.IntN(256))
		}
		return string(b)
	}
	records := []string{
		"", "\x00", "\n", "\r\n", " ", "{}", "null", "\xff\xfe", "\xef\xbb\xbf{}", "\x1a", "ends in a newline\n",
		"\x00 in the middle \x00", "ünïcödé ☃", "%s %d %!", `\u0000"'` + "`$(x)", noise(1), noise(255), noise(4096), noise(65537),
		strings.Repeat("large ", 512<<10/6), "",
	}
	s := open()
	for _, record := range records {
		save(t, s, record)
		// Not assert.Equal: its message would print half a megabyte.
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
	assert.True(t, bytes.Equal([]byte("record-one"), got), "what was saved is the store's")
	clear(got)
	assert.Equal(t, "record-one", load(t, s), "what was loaded is the caller's")
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

func saveOntoAnothersRecord(t *testing.T, open Opener) {
	t.Helper()
	s, other := open(), open()
	save(t, s, "record-one")
	load(t, other)
	save(t, other, "record-two")
	assertConflict(t, s, "record-three")
	assertConflict(t, s, "record-three")
	assert.Equal(t, "record-two", load(t, open()), "nothing is changed")
	save(t, other, "record-two-more")

	assert.Equal(t, "record-two-more", load(t, s))
	save(t, s, "record-three")
	assertConflict(t, other, "record-four")
	assert.Equal(t, "record-three", load(t, other))
}

func saveOntoNothingLeft(t *testing.T, open Opener) {
	t.Helper()
	s, other := open(), open()
	save(t, s, "record-one")
	require.NoError(t, other.Delete(t.Context()))
	assertConflict(t, s, "record-two")
	assertNothing(t, s)
	save(t, s, "record-two")
	assert.Equal(t, "record-two", load(t, other))
}

func saveOntoARecordMadeAnew(t *testing.T, open Opener) {
	t.Helper()
	s, other := open(), open()
	save(t, s, "record-one")
	require.NoError(t, other.Delete(t.Context()))
	save(t, other, "record-two")
	assertConflict(t, s, "record-three")
	assert.Equal(t, "record-two", load(t, s))
}

func deleteForgets(t *testing.T, open Opener) {
	t.Helper()
	s := open()
	save(t, s, "record-one")
	require.NoError(t, s.Delete(t.Context()))
	assertNothing(t, open())
	save(t, s, "record-two") // knows that there is nothing
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

func deleteOfAnothersRecord(t *testing.T, open Opener) {
	t.Helper()
	s, other := open(), open()
	save(t, s, "record-one")
	require.NoError(t, other.Delete(t.Context()), "whichever it is")
	assertNothing(t, s)
}
