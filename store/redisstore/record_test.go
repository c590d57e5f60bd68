package redisstore_test

import (
	"fmt"
	"io/fs"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/store/redisstore"
	"github.com/agsauth/agsauth/store/redisstore/internal/redistest"
)

func TestStore_Keys(t *testing.T) {
	server := redistest.Start(t)
	s := open(t, server.Client(), "session")
	save(t, s, "record-one")
	unlock := lock(t, s)
	assert.ElementsMatch(t, []any{recordKey, lockKey}, server.Do("KEYS", "*"))
	require.NoError(t, unlock())
	assert.ElementsMatch(t, []any{recordKey, "agsauth:{session}:released"}, server.Do("KEYS", "*"))
	assert.EqualValues(t, -1, server.Do("PTTL", recordKey), "the record has no time to live")
	assert.EqualValues(t, 2, server.Do("HLEN", recordKey))
	assert.Equal(t, "record-one", server.Do("HGET", recordKey, "data"))
	require.NoError(t, s.SetAside(t.Context(), "../damaged"))
	aside := server.Do("KEYS", "*:aside:*").([]any)
	require.Len(t, aside, 1)
	assert.Contains(t, aside[0], "agsauth:{session}:aside:___damaged:")
	assert.Equal(t, "record-one", server.Do("HGET", aside[0], "data"))
}

func TestStore_SessionsAreSeparate(t *testing.T) {
	client := redistest.Start(t).Client()
	one, two := open(t, client, "one"), open(t, client, "two")
	other := openWith(t, redisstore.Config{Client: client, Name: "one", Prefix: "other:"})
	save(t, one, "record-one")
	save(t, two, "record-two")
	save(t, other, "record-three")
	unlocks := []func() error{lock(t, one), lock(t, two), lock(t, other)}
	assert.Equal(t, "record-one", load(t, one))
	assert.Equal(t, "record-two", load(t, two))
	assert.Equal(t, "record-three", load(t, other))
	for _, unlock := range unlocks {
		require.NoError(t, unlock())
	}
}

// After the server has lost its data, a new record is another one, even with the same
// bytes.
func TestStore_DataLoss(t *testing.T) {
	server := redistest.Start(t)
	client := server.Client()
	s, other := open(t, client, "session"), open(t, client, "session")
	save(t, s, "record-one")
	load(t, other)
	server.Flush()
	require.ErrorIs(t, s.Save(t.Context(), []byte("record-two")), fs.ErrExist, "the record is missing")
	_, err := s.Load(t.Context())
	require.ErrorIs(t, err, fs.ErrNotExist)
	save(t, s, "record-one")
	require.ErrorIs(t, other.Save(t.Context(), []byte("record-two")), fs.ErrExist)
	assert.Equal(t, "record-one", load(t, other))
	save(t, other, "record-two")
}

// With an append-only file acknowledged writes survive a crash.
func TestStore_ServerCrash(t *testing.T) {
	server := redistest.Start(t, "--appendonly", "yes", "--appendfsync", "always")
	s := open(t, server.Client(), "session")
	save(t, s, "record-one")
	unlock := lock(t, s)
	server.Kill()
	server.Restart()
	assert.Equal(t, "record-one", load(t, s))
	save(t, s, "record-two")
	require.NoError(t, unlock(), "the lock survives too")
}

func TestStore_InvalidRecord(t *testing.T) {
	tests := []struct {
		name    string
		write   []any
		message string
	}{
		{"of another type", []any{"SET", recordKey, "record-of-another"}, "WRONGTYPE"},
		{"without version", []any{"HSET", recordKey, "data", "record-of-another"}, "not a record"},
		{"with an empty version", []any{"HSET", recordKey, "data", "record-of-another", "version", ""}, "not a record"},
		{"of other fields", []any{"HSET", recordKey, "other", "record-of-another"}, "not a record"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			server := redistest.Start(t)
			s := open(t, server.Client(), "session")
			server.Do(tt.write...)
			_, err := s.Load(t.Context())
			assertStoreError(t, "load", err)
			require.ErrorContains(t, err, tt.message)
			err = s.Save(t.Context(), []byte("record-one"))
			assertStoreError(t, "save", err)
			require.ErrorContains(t, err, tt.message)
			require.NoError(t, s.SetAside(t.Context(), "damaged"), "SetAside works")
			save(t, s, "record-one")
		})
	}
}

// A version without data is not a record, and is not replaced.
func TestStore_RecordWithoutData(t *testing.T) {
	server := redistest.Start(t)
	s := open(t, server.Client(), "session")
	server.Do("HSET", recordKey, "version", "one")
	_, err := s.Load(t.Context())
	assertStoreError(t, "load", err)
	require.ErrorIs(t, s.Save(t.Context(), []byte("record-one")), fs.ErrExist)
}

func TestStore_RecordTooLarge(t *testing.T) {
	const limit = 1 << 20
	server := redistest.Start(t)
	s := open(t, server.Client(), "session")
	require.NoError(t, s.Save(t.Context(), make([]byte, limit)))
	assert.Len(t, load(t, s), limit)
	assertStoreError(t, "save", s.Save(t.Context(), make([]byte, limit+1)))
	assert.Len(t, load(t, s), limit, "nothing is changed")
	server.Do("HSET", recordKey, "data", make([]byte, limit+1))
	_, err := s.Load(t.Context())
	assertStoreError(t, "load", err)
	require.NoError(t, s.SetAside(t.Context(), "large"))
	save(t, s, "record-one")
}

func TestStore_Authentication(t *testing.T) {
	server := redistest.Start(t, "--requirepass", "password-of-secrets")
	tests := []struct{ name, password, code string }{
		{"no password", "", "NOAUTH"},
		{"wrong password", "wrong-of-secrets", "WRONGPASS"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			options := server.Options()
			options.Password = tt.password
			for op, call := range methods(open(t, server.ClientWith(options), "session")) {
				err := call(t.Context())
				assertStoreError(t, op, err)
				require.ErrorContains(t, err, tt.code)
				assert.NotContains(t, err.Error(), "of-secrets")
			}
		})
	}
}

// Servers quote unknown commands in their errors. Errors of a Store contain no record.
func TestStore_ErrorsContainNoRecord(t *testing.T) {
	server := redistest.Start(t, "--rename-command", "EVALSHA", "")
	client := server.Client()
	raw := client.EvalSha(t.Context(), "sha", []string{recordKey}, "record-of-secrets").Err()
	require.ErrorContains(t, raw, "record-of-secrets", "the server must quote the record")
	s := open(t, client, "session")
	for op, call := range methods(s) {
		err := call(t.Context())
		assertStoreError(t, op, err)
		require.ErrorContains(t, err, "unknown command")
		for _, verb := range []string{"%v", "%+v", "%#v", "%q"} {
			assert.NotContains(t, fmt.Sprintf(verb, err), "of-secrets")
		}
	}
	for _, verb := range []string{"%v", "%+v", "%#v"} {
		assert.NotContains(t, fmt.Sprintf(verb, s), "of-secrets")
	}
}

func TestNew_Config(t *testing.T) {
	client := redis.NewClient(&redis.Options{})
	t.Cleanup(func() { require.NoError(t, client.Close()) })
	ring := redis.NewRing(&redis.RingOptions{})
	t.Cleanup(func() { require.NoError(t, ring.Close()) })
	tests := []struct {
		name, field string
		cfg         redisstore.Config
	}{
		{"no client", "Client", redisstore.Config{Name: "n"}},
		{"a ring", "Ring", redisstore.Config{Client: ring, Name: "n"}},
		{"no name", "Name", redisstore.Config{Client: client}},
		{"braces in the name", "Name", redisstore.Config{Client: client, Name: "a}{b"}},
		{"a long name", "Name", redisstore.Config{Client: client, Name: strings.Repeat("n", 513)}},
		{"braces in the prefix", "Prefix", redisstore.Config{Client: client, Name: "n", Prefix: "{a}"}},
		{"a long prefix", "Prefix", redisstore.Config{Client: client, Name: "n", Prefix: strings.Repeat("n", 513)}},
		{"a negative lease", "Lease", redisstore.Config{Client: client, Name: "n", Lease: -1}},
		{"a short lease", "Lease", redisstore.Config{Client: client, Name: "n", Lease: 99e6}},
		{"a long lease", "Lease", redisstore.Config{Client: client, Name: "n", Lease: never + 1}},
		{"a negative interval", "PollInterval", redisstore.Config{Client: client, Name: "n", PollInterval: -1}},
		{"a short interval", "PollInterval", redisstore.Config{Client: client, Name: "n", PollInterval: 9e6}},
		{"a long interval", "PollInterval", redisstore.Config{Client: client, Name: "n", PollInterval: never + 1}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, err := redisstore.New(tt.cfg)
			require.ErrorContains(t, err, "redisstore: Config.")
			require.ErrorContains(t, err, tt.field)
			assert.Nil(t, s)
		})
	}
	_, err := redisstore.New(redisstore.Config{Client: client, Name: strings.Repeat("n", 512)})
	require.NoError(t, err)
}
