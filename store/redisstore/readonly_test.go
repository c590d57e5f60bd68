package redisstore_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/store/redisstore/internal/redistest"
)

var refusals = []struct {
	name, code, cause string
	options           []string
	begin             func(t *testing.T, server *redistest.Server)
	end               []any
}{
	{
		name: "memory is full", code: "OOM ", cause: "maxmemory",
		begin: func(_ *testing.T, server *redistest.Server) { server.Do("CONFIG", "SET", "maxmemory", 1) },
		end:   []any{"CONFIG", "SET", "maxmemory", 0},
	},
	{
		name: "a demoted primary", code: "READONLY ", cause: "replica",
		begin: func(_ *testing.T, server *redistest.Server) { server.Do("REPLICAOF", "127.0.0.1", "1") },
		end:   []any{"REPLICAOF", "NO", "ONE"},
	},
	{
		name: "too few replicas", code: "NOREPLICAS ", cause: "replicas",
		begin: func(_ *testing.T, server *redistest.Server) { server.Do("CONFIG", "SET", "min-replicas-to-write", 1) },
		end:   []any{"CONFIG", "SET", "min-replicas-to-write", 0},
	},
	{
		name: "it cannot persist", code: "MISCONF ", cause: "persist to disk",
		options: []string{"--save", "3600 1000"}, begin: failToPersist,
		end: []any{"CONFIG", "SET", "stop-writes-on-bgsave-error", "no"},
	},
}

// If the server accepts reads and refuses writes, Lock, Save and Check fail at once,
// whether the lock is free or not.
func TestStore_ServerRefusesWrites(t *testing.T) {
	for _, tt := range refusals {
		t.Run(tt.name, func(t *testing.T) {
			server := redistest.Start(t, tt.options...)
			s, other := openWithoutPolling(t, clientWithoutRetries(server)), openWithoutPolling(t, clientWithoutRetries(server))
			holder := openWithoutPolling(t, server.Client())
			save(t, s, "record-one")
			checked := openWithoutPolling(t, clientWithoutRetries(server))
			require.NoError(t, lock(t, checked)(), "its rights have been checked")
			unlock := lock(t, holder)
			refusal := func(op string, err error) {
				assertStoreError(t, op, err)
				assert.True(t, redis.HasErrorPrefix(err, tt.code), "%v", err)
				require.ErrorContains(t, err, tt.cause)
			}
			tt.begin(t, server)
			_, err := other.Lock(t.Context())
			refusal("lock", err)
			_, err = checked.Lock(t.Context())
			refusal("lock", err)
			refusal("save", s.Save(t.Context(), []byte("record-two")))
			refusal("check", s.Check(t.Context()))
			assert.Equal(t, "record-one", load(t, s))

			server.Do(tt.end...)
			require.NoError(t, unlock())
			tt.begin(t, server)
			_, err = other.Lock(t.Context())
			refusal("lock", err)
			_, err = checked.Lock(t.Context())
			refusal("lock", err)
			assert.EqualValues(t, 0, server.Do("EXISTS", lockKey))

			server.Do(tt.end...)
			require.NoError(t, lock(t, other)())
			save(t, s, "record-two")
		})
	}
}

// failToPersist makes the server fail to persist: a folder has the name of its file.
func failToPersist(t *testing.T, server *redistest.Server) {
	t.Helper()
	server.Do("CONFIG", "SET", "stop-writes-on-bgsave-error", "yes")
	require.NoError(t, os.MkdirAll(filepath.Join(filepath.Dir(server.Addr), "dump.rdb", "in-the-way"), 0o700))
	failed := server.ExpectLog("Background saving error")
	server.Do("BGSAVE")
	<-failed
}

// The server runs out of memory between Lock and Save.
func TestStore_ServerRefusesWritesAfterLock(t *testing.T) {
	server := redistest.Start(t)
	s := openWithoutPolling(t, server.Client())
	unlock := lock(t, s)
	server.Do("CONFIG", "SET", "maxmemory", 1)
	err := s.Save(t.Context(), []byte("record-one"))
	assertStoreError(t, "save", err)
	require.ErrorContains(t, err, "OOM ")
	assert.EqualValues(t, 0, server.Do("EXISTS", recordKey))
	require.NoError(t, unlock(), "commands that free memory are allowed")
}
