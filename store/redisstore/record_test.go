package redisstore_test

import (
	"context"
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

func TestStore_WhatIsKept(t *testing.T) {
	server := redistest.Start(t)
	s := open(t, server.Client(), "session")
	save(t, s, "record-one")
	unlock := lock(t, s)
	assert.ElementsMatch(t, []any{recordKey, lockKey}, server.Do("KEYS", "*"))
	require.NoError(t, unlock())
	assert.ElementsMatch(t, []any{recordKey, "agsauth:{session}:released"}, server.Do("KEYS", "*"))
	assert.EqualValues(t, -1, server.Do("PTTL", recordKey), "it has no time to live")
	assert.EqualValues(t, 2, server.Do("HLEN", recordKey))
	assert.Equal(t, "record-one", server.Do("HGET", recordKey, "data"))
	require.NoError(t, s.SetAside(t.Context(), "../damaged"))
	aside := server.Do("KEYS", "*:aside:*").([]any)
	require.Len(t, aside, 1)
	assert.Contains(t, aside[0], "agsauth:{session}:aside:___damaged:")
	assert.Equal(t, "record-one", server.Do("HGET", aside[0], "data"))
}

func TestStore_SessionsAreApart(t *testing.T) {
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

// After all was lost a record made anew is another one, whatever is in it.
func TestStore_AllIsLost(t *testing.T) {
	server := redistest.Start(t)
	client := server.Client()
	s, other := open(t, client, "session"), open(t, client, "session")
	save(t, s, "record-one")
	load(t, other)
	server.Flush()
	require.ErrorIs(t, s.Save(t.Context(), []byte("record-two")), fs.ErrExist, "what it loaded is not there")
	_, err := s.Load(t.Context())
	require.ErrorIs(t, err, fs.ErrNotExist)
	save(t, s, "record-one")
	require.ErrorIs(t, other.Save(t.Context(), []byte("record-two")), fs.ErrExist)
	assert.Equal(t, "record-one", load(t, other))
	save(t, other, "record-two")
}

// With an append-only file what was acknowledged survives a crash.
func TestStore_SurvivesACrashOfTheServer(t *testing.T) {
	server := redistest.Start(t, "--appendonly", "yes", "--appendfsync", "always")
	s := open(t, server.Client(), "session")
	save(t, s, "record-one")
	unlock := lock(t, s)
	server.Kill()
	server.Restart()
	assert.Equal(t, "record-one", load(t, s))
	save(t, s, "record-two")
	require.NoError(t, unlock(), "and so does the lock")
}

func TestStore_WhatIsStoredIsNoRecord(t *testing.T) {
	tests := []struct {
		name    string
		put     []any
		message string
	}{
		{"of another kind", []any{"SET", recordKey, "record-of-another"}, "WRONGTYPE"},
		{"without version", []any{"HSET", recordKey, "data", "record-of-another"}, "not a record"},
		{"with an empty version", []any{"HSET", recordKey, "data", "record-of-another", "version", ""}, "not a record"},
		{"of other fields", []any{"HSET", recordKey, "other", "record-of-another"}, "not a record"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			server := redistest.Start(t)
			s := open(t, server.Client(), "session")
			server.Do(tt.put...)
			_, err := s.Load(t.Context())
			assertOther(t, "load", err)
			require.ErrorContains(t, err, tt.message)
			err = s.Save(t.Context(), []byte("record-one"))
			assertOther(t, "save", err)
			require.ErrorContains(t, err, tt.message)
			require.NoError(t, s.SetAside(t.Context(), "strange"), "it can be put out of the way")
			save(t, s, "record-one")
		})
	}
}

// A version without data was saved by none of us, and may be replaced by none.
func TestStore_RecordWithoutData(t *testing.T) {
	server := redistest.Start(t)
	s := open(t, server.Client(), "session")
	server.Do("HSET", recordKey, "version", "one")
	_, err := s.Load(t.Context())
	assertOther(t, "load", err)
	require.ErrorIs(t, s.Save(t.Context(), []byte("record-one")), fs.ErrExist)
}

func TestStore_RecordTooLarge(t *testing.T) {
	const limit = 1 << 20
	server := redistest.Start(t)
	s := open(t, server.Client(), "session")
	require.NoError(t, s.Save(t.Context(), make([]byte, limit)))
	assert.Len(t, load(t, s), limit)
	assertOther(t, "save", s.Save(t.Context(), make([]byte, limit+1)))
	assert.Len(t, load(t, s), limit, "is untouched")
	server.Do("HSET", recordKey, "data", make([]byte, limit+1))
	_, err := s.Load(t.Context())
	assertOther(t, "load", err)
	require.NoError(t, s.SetAside(t.Context(), "large"))
	save(t, s, "record-one")
}

// The client asks again when a connection breaks. The server has done already what
// it is asked, and nothing is done twice.
func TestStore_AnswersAreLostOnTheirWay(t *testing.T) {
	server := redistest.Start(t)
	client := newWire(server, 3)
	s, other := patiently(t, client), patiently(t, server.Client())
	lost := func() { client.loseAnswer(t) }
	warm(t, s)

	lost()
	save(t, s, "record-one")
	assert.Equal(t, "record-one", load(t, other))
	lost()
	assert.Equal(t, "record-one", load(t, s))
	lost()
	unlock := lock(t, s)
	lost()
	require.NoError(t, unlock())
	require.NoError(t, lock(t, other)())
	lost()
	require.NoError(t, s.SetAside(t.Context(), "damaged"))
	assert.Len(t, server.Do("KEYS", "*:aside:*"), 2)
	lost()
	require.NoError(t, s.Delete(t.Context()))
	assert.Zero(t, client.lose.Load())
}

// Where the client does not ask again the caller has to, and may.
func TestStore_OutcomeOfSaveIsUnknown(t *testing.T) {
	server := redistest.Start(t)
	client := newWire(server, -1)
	s, other := patiently(t, client), patiently(t, server.Client())
	unanswered := func(record string) {
		client.loseAnswer(t)
		assertOther(t, "save", s.Save(t.Context(), []byte(record)))
	}
	save(t, s, "record-zero")
	unanswered("record-of-one")
	assert.Equal(t, "record-of-one", load(t, s), "a Load tells")
	for range 20 {
		unanswered("record-of-two")
	}
	save(t, s, "record-three") // over what is ours, seen or not
	unanswered("record-of-four")
	load(t, other)
	save(t, other, "record-five")
	require.ErrorIs(t, s.Save(t.Context(), []byte("record-six")), fs.ErrExist, "but not over another's")
	assert.Equal(t, "record-five", load(t, s))
}

// A lock that its taker does not know of is given back.
func TestLock_OutcomeIsUnknown(t *testing.T) {
	server := redistest.Start(t)
	client := newWire(server, -1)
	s := patiently(t, client)
	require.NoError(t, lock(t, s)())
	client.loseAnswer(t)
	_, err := s.Lock(t.Context())
	assertOther(t, "lock", err)
	require.NoError(t, lock(t, patiently(t, server.Client()))())
}

func TestStore_ServerAway(t *testing.T) {
	server := redistest.Start(t)
	options := server.Options()
	options.MaxRetries, options.DialerRetries = -1, 1
	options.PoolSize = 1000 // after so many failures it would no longer try
	s := open(t, server.ClientWith(options), "session")
	save(t, s, "record-one")
	for _, end := range []func(){server.Kill, server.Stop} { // with the socket left behind, and without
		end()
		for op, call := range each(s) {
			assertOther(t, op, call(t.Context()))
		}
		server.Restart()
	}
	require.ErrorIs(t, s.Save(t.Context(), []byte("record-two")), fs.ErrExist)
	_, err := s.Load(t.Context())
	require.ErrorIs(t, err, fs.ErrNotExist)
	save(t, s, "record-two")
}

// A server that stands still keeps nobody for longer than the caller's context.
func TestStore_ServerStandsStill(t *testing.T) {
	server := redistest.Start(t)
	warm(t, patiently(t, server.Client()))
	for op := range each(nil) {
		t.Run(op, func(t *testing.T) {
			client := newWire(server, 3)
			s := patiently(t, client)
			require.NoError(t, client.Ping(t.Context()).Err())
			ctx, cancel := context.WithCancelCause(t.Context())
			server.Pause()
			go func() {
				<-client.sent
				cancel(errTired)
			}()
			assert.Equal(t, errTired, each(s)[op](ctx))
			server.Resume()
		})
	}
	require.NoError(t, lock(t, patiently(t, server.Client()))(), "a lock that nobody waits for any more is given back")
}

// What comes after the caller has left is nothing that it has seen.
func TestStore_LoadIsAnsweredTooLate(t *testing.T) {
	server := redistest.Start(t)
	warm(t, open(t, server.Client(), "session"))
	save(t, open(t, server.Client(), "session"), "record-one")
	client := newWire(server, 3)
	s, spied := open(t, client, "session"), spyOn(client)
	require.NoError(t, client.Ping(t.Context()).Err())
	ctx, cancel := context.WithCancelCause(t.Context())
	server.Pause()
	go func() {
		<-client.sent
		cancel(errTired)
	}()
	_, err := s.Load(ctx)
	assert.Equal(t, errTired, err)
	server.Resume()
	spied.await(1)
	require.ErrorIs(t, s.Save(t.Context(), []byte("record-two")), fs.ErrExist)
}

// A replica that nobody has promoted.
func TestStore_ReadOnlyReplica(t *testing.T) {
	server := redistest.Start(t)
	options := server.Options()
	options.MaxRetries = -1
	s := open(t, server.ClientWith(options), "session")
	save(t, s, "record-one")
	server.Do("REPLICAOF", "127.0.0.1", "1")
	assert.Equal(t, "record-one", load(t, s))
	for op, call := range each(s) {
		if op != "load" {
			err := call(t.Context())
			assertOther(t, op, err)
			assert.True(t, redis.HasErrorPrefix(err, "READONLY"), "%v", err)
		}
	}
}

func TestStore_NotLetIn(t *testing.T) {
	server := redistest.Start(t, "--requirepass", "password-of-secrets")
	tests := []struct{ name, password, code string }{
		{"no password", "", "NOAUTH"},
		{"a wrong one", "wrong-of-secrets", "WRONGPASS"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			options := server.Options()
			options.Password = tt.password
			for op, call := range each(open(t, server.ClientWith(options), "session")) {
				err := call(t.Context())
				assertOther(t, op, err)
				require.ErrorContains(t, err, tt.code)
				assert.NotContains(t, err.Error(), "of-secrets")
			}
		})
	}
}

// A server that does not know a command repeats it in its error. The record is not
// to be in ours.
func TestStore_NoErrorHoldsTheRecord(t *testing.T) {
	server := redistest.Start(t, "--rename-command", "EVALSHA", "")
	client := server.Client()
	raw := client.EvalSha(t.Context(), "sha", []string{recordKey}, "record-of-secrets").Err()
	require.ErrorContains(t, raw, "record-of-secrets", "so it is worth a test")
	s := open(t, client, "session")
	for op, call := range each(s) {
		err := call(t.Context())
		assertOther(t, op, err)
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
		name, wrong string
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
			require.ErrorContains(t, err, tt.wrong)
			assert.Nil(t, s)
		})
	}
	_, err := redisstore.New(redisstore.Config{Client: client, Name: strings.Repeat("n", 512)})
	require.NoError(t, err)
}
