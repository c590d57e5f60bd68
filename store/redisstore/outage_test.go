package redisstore_test

import (
	"context"
	"io/fs"
	"testing"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/store/redisstore/internal/redistest"
)

// If a result is lost, the client sends the script again. It is idempotent.
func TestStore_LostResults(t *testing.T) {
	server := redistest.Start(t)
	client := newLossyClient(server, 3)
	s, other := openWithoutPolling(t, client), openWithoutPolling(t, server.Client())
	lose := func() { client.loseResult(t) }
	cacheScripts(t, s)

	lose()
	save(t, s, "record-one")
	assert.Equal(t, "record-one", load(t, other))
	lose()
	assert.Equal(t, "record-one", load(t, s))
	lose()
	unlock := lock(t, s)
	lose()
	require.NoError(t, unlock())
	require.NoError(t, lock(t, other)())
	lose()
	require.NoError(t, s.SetAside(t.Context(), "damaged"))
	assert.Len(t, server.Do("KEYS", "*:aside:*"), 2)
	lose()
	require.NoError(t, s.Delete(t.Context()))
	assert.Zero(t, client.lose.Load())
}

// If the client does not repeat a Save with unknown outcome, the caller may.
func TestStore_OutcomeOfSaveIsUnknown(t *testing.T) {
	server := redistest.Start(t)
	client := newLossyClient(server, -1)
	s, other := openWithoutPolling(t, client), openWithoutPolling(t, server.Client())
	saveAndLose := func(record string) {
		client.loseResult(t)
		assertStoreError(t, "save", s.Save(t.Context(), []byte(record)))
	}
	save(t, s, "record-zero")
	saveAndLose("record-of-one")
	assert.Equal(t, "record-of-one", load(t, s), "Load shows the outcome")
	for range 20 {
		saveAndLose("record-of-two")
	}
	save(t, s, "record-three") // replaces any record of this Store
	saveAndLose("record-of-four")
	load(t, other)
	save(t, other, "record-five")
	require.ErrorIs(t, s.Save(t.Context(), []byte("record-six")), fs.ErrExist, "does not replace a record of another Store")
	assert.Equal(t, "record-five", load(t, s))
}

// If the result of Lock is lost, the lock is released.
func TestLock_OutcomeIsUnknown(t *testing.T) {
	server := redistest.Start(t)
	client := newLossyClient(server, -1)
	s := openWithoutPolling(t, client)
	require.NoError(t, lock(t, s)())
	client.loseResult(t)
	_, err := s.Lock(t.Context())
	assertStoreError(t, "lock", err)
	require.NoError(t, lock(t, openWithoutPolling(t, server.Client()))())
}

func TestStore_ServerIsDown(t *testing.T) {
	server := redistest.Start(t)
	options := server.Options()
	options.MaxRetries, options.DialerRetries = -1, 1
	options.PoolSize = 1000 // with fewer connections the client stops trying after some errors
	s := open(t, server.ClientWith(options), "session")
	save(t, s, "record-one")
	for _, stop := range []func(){server.Kill, server.Stop} { // with and without the socket file
		stop()
		for op, call := range methods(s) {
			assertStoreError(t, op, call(t.Context()))
		}
		server.Restart()
	}
	require.ErrorIs(t, s.Save(t.Context(), []byte("record-two")), fs.ErrExist)
	_, err := s.Load(t.Context())
	require.ErrorIs(t, err, fs.ErrNotExist)
	save(t, s, "record-two")
}

// If the server does not respond, methods return when their context ends.
func TestStore_ServerDoesNotRespond(t *testing.T) {
	server := redistest.Start(t)
	cacheScripts(t, openWithoutPolling(t, server.Client()))
	for op := range methods(nil) {
		t.Run(op, func(t *testing.T) {
			client := newLossyClient(server, 3)
			s := openWithoutPolling(t, client)
			require.NoError(t, client.Ping(t.Context()).Err())
			ctx, cancel := context.WithCancelCause(t.Context())
			server.Pause()
			go func() {
				<-client.sent
				cancel(errCause)
			}()
			assert.Equal(t, errCause, methods(s)[op](ctx))
			server.Resume()
		})
	}
	require.NoError(t, lock(t, openWithoutPolling(t, server.Client()))(), "a lock that was taken after its context ended is released")
}

// A result of Load that comes after its context has ended does not count as loaded.
func TestStore_LateResultOfLoad(t *testing.T) {
	server := redistest.Start(t)
	cacheScripts(t, open(t, server.Client(), "session"))
	save(t, open(t, server.Client(), "session"), "record-one")
	client := newLossyClient(server, 3)
	s, spy := open(t, client, "session"), newSpy(client)
	require.NoError(t, client.Ping(t.Context()).Err())
	ctx, cancel := context.WithCancelCause(t.Context())
	server.Pause()
	go func() {
		<-client.sent
		cancel(errCause)
	}()
	_, err := s.Load(ctx)
	assert.Equal(t, errCause, err)
	server.Resume()
	spy.await(1)
	require.ErrorIs(t, s.Save(t.Context(), []byte("record-two")), fs.ErrExist)
}

func TestStore_ReadOnlyReplica(t *testing.T) {
	server := redistest.Start(t)
	s := open(t, clientWithoutRetries(server), "session")
	save(t, s, "record-one")
	server.Do("REPLICAOF", "127.0.0.1", "1")
	assert.Equal(t, "record-one", load(t, s))
	for op, call := range methods(s) {
		if op != "load" {
			err := call(t.Context())
			assertStoreError(t, op, err)
			assert.True(t, redis.HasErrorPrefix(err, "READONLY"), "%v", err)
		}
	}
}
