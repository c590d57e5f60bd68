package redisstore_test

import (
	"io/fs"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/store/redisstore/internal/redistest"
)

// Save removes a time to live that another client has set.
func TestSave_RemovesTimeToLive(t *testing.T) {
	server := redistest.Start(t)
	s := open(t, server.Client(), "session")
	for _, record := range []string{"record-one", "record-two", "record-three"} {
		save(t, s, record)
		assert.EqualValues(t, -1, server.Do("PTTL", recordKey))
		assert.Equal(t, record, load(t, s))
		assert.EqualValues(t, 2, server.Do("HLEN", recordKey))
		server.Do("PEXPIRE", recordKey, 3600_000)
	}
	assert.Equal(t, "record-three", load(t, s))
	assert.Positive(t, server.Do("PTTL", recordKey), "a Load changes nothing")
}

// A Save that fails does not change the record or its time to live.
func TestSave_FailureKeepsTimeToLive(t *testing.T) {
	server := redistest.Start(t)
	s, other := open(t, server.Client(), "session"), open(t, server.Client(), "session")
	save(t, s, "record-one")
	server.Do("PEXPIRE", recordKey, 3600_000)
	require.ErrorIs(t, other.Save(t.Context(), []byte("record-two")), fs.ErrExist)
	server.Do("CONFIG", "SET", "maxmemory", 1)
	assertStoreError(t, "save", s.Save(t.Context(), []byte("record-two")))
	server.Do("CONFIG", "SET", "maxmemory", 0)
	assert.Equal(t, "record-one", load(t, s))
	assert.Positive(t, server.Do("PTTL", recordKey))
	save(t, s, "record-two")
	assert.EqualValues(t, -1, server.Do("PTTL", recordKey))
}

// A record that is set aside has no time to live.
func TestSetAside_RemovesTimeToLive(t *testing.T) {
	server := redistest.Start(t)
	s := open(t, server.Client(), "session")
	server.Do("SET", recordKey, "record-of-another-kind", "PX", 3600_000)
	require.NoError(t, s.SetAside(t.Context(), "damaged"))
	aside := server.Do("KEYS", "*:aside:*").([]any)
	require.Len(t, aside, 1)
	assert.EqualValues(t, -1, server.Do("PTTL", aside[0]))
}

// The lock always has a time to live.
func TestLock_HasTimeToLive(t *testing.T) {
	server := redistest.Start(t)
	s := openWithoutPolling(t, server.Client())
	unlock := lock(t, s)
	assert.Positive(t, server.Do("PTTL", lockKey))
	save(t, s, "record-one")
	require.NoError(t, s.SetAside(t.Context(), "damaged"))
	assert.Positive(t, server.Do("PTTL", lockKey))
	require.NoError(t, unlock())
	assert.Positive(t, server.Do("PTTL", "agsauth:{session}:released"))
}
