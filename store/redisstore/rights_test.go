package redisstore_test

import (
	"context"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/store/redisstore"
	"github.com/agsauth/agsauth/store/redisstore/internal/redistest"
)

// restricted returns a client of a user with all rights except those that rules remove.
func restricted(tb testing.TB, server *redistest.Server, rules ...any) *redis.Client {
	tb.Helper()
	server.Do(append([]any{"ACL", "SETUSER", "restricted", "reset", "on", ">secret", "~*", "&*", "+@all"}, rules...)...)
	options := server.Options()
	options.Username, options.Password = "restricted", "secret"
	return server.ClientWith(options)
}

// changes returns how often the data of the server was changed.
func changes(tb testing.TB, server *redistest.Server) string {
	tb.Helper()
	_, rest, found := strings.Cut(server.Do("INFO", "persistence").(string), "rdb_changes_since_last_save:")
	require.True(tb, found)
	number, _, _ := strings.Cut(rest, "\r\n")
	return number
}

// assertDenied asserts that err names command, and no other, as denied.
func assertDenied(tb testing.TB, op string, err error, command string) {
	tb.Helper()
	assertStoreError(tb, op, err)
	assert.True(tb, redis.HasErrorPrefix(err, "NOPERM "), "%v", err)
	last := err.Error()[strings.LastIndex(err.Error(), " ")+1:]
	assert.Equal(tb, command, last)
}

// Check and the first Lock find each missing right that a session needs, and write
// nothing.
func TestStore_MissingRight(t *testing.T) {
	for _, command := range []string{
		"HSTRLEN", "HMGET", "HGET", "EXISTS", "HSET", "GET", "SET", "PTTL", "PEXPIRE", "DEL", "EVALSHA", "EVAL",
	} {
		t.Run(command, func(t *testing.T) {
			server := redistest.Start(t)
			s := open(t, restricted(t, server, "-"+strings.ToLower(command)), "session")
			before := changes(t, server)
			assertDenied(t, "check", s.Check(t.Context()), command)
			_, err := s.Lock(t.Context())
			assertDenied(t, "lock", err, command)
			assert.Equal(t, before, changes(t, server), "nothing was written")
			server.Do("ACL", "SETUSER", "restricted", "+@all")
			require.NoError(t, s.Check(t.Context()))
			require.NoError(t, lock(t, s)(), "the next Lock checks again")
		})
	}
}

func TestStore_AllMissingRightsAreNamed(t *testing.T) {
	server := redistest.Start(t)
	s := open(t, restricted(t, server, "-hset", "-del", "-pexpire", "-persist"), "session")
	err := s.Check(t.Context())
	assertStoreError(t, "check", err)
	require.ErrorContains(t, err, ": HSET, PEXPIRE, DEL, PERSIST")
	_, err = s.Lock(t.Context())
	assertStoreError(t, "lock", err)
	require.ErrorContains(t, err, ": HSET, PEXPIRE, DEL")
}

// Only SetAside needs these rights, so only Check tests them.
func TestStore_RightsOfSetAside(t *testing.T) {
	for _, command := range []string{"RENAME", "PERSIST"} {
		t.Run(command, func(t *testing.T) {
			server := redistest.Start(t)
			s := open(t, restricted(t, server, "-"+strings.ToLower(command)), "session")
			assertDenied(t, "check", s.Check(t.Context()), command)
			unlock := lock(t, s)
			save(t, s, "record-one")
			require.NoError(t, unlock())
		})
	}
}

func TestStore_OptionalRights(t *testing.T) {
	for _, rule := range []string{"-publish", "-pubsub", "-subscribe", "resetchannels", "-acl", "-flushall"} {
		t.Run(rule, func(t *testing.T) {
			s := open(t, restricted(t, redistest.Start(t), rule), "session")
			require.NoError(t, s.Check(t.Context()))
			require.NoError(t, lock(t, s)())
		})
	}
}

func TestStore_NoRightToTheKeys(t *testing.T) {
	server := redistest.Start(t)
	s := open(t, restricted(t, server, "resetkeys", "~agsauth:{other}:*"), "session")
	for op, call := range map[string]func(context.Context) error{"check": s.Check, "lock": methods(s)["lock"]} {
		err := call(t.Context())
		assertStoreError(t, op, err)
		assert.True(t, redis.HasErrorPrefix(err, "NOPERM "), "%v", err)
		require.ErrorContains(t, err, "one of the session's keys")
	}
}

// While the lock is held, the right to DEL cannot be tested. Lock tests it when the lock
// is free.
func TestLock_MissingRightWhileLockIsHeld(t *testing.T) {
	server := redistest.Start(t)
	unlock := lock(t, openWithoutPolling(t, server.Client()))
	client := restricted(t, server, "-del")
	spy := newSpy(client)
	w := startLock(t.Context(), openWithoutPolling(t, client))
	spy.await(2)
	require.NoError(t, unlock())
	<-w.done
	assertDenied(t, "lock", w.err, "DEL")
	assert.EqualValues(t, 0, server.Do("EXISTS", lockKey))

	unlock = lock(t, openWithoutPolling(t, server.Client()))
	_, err := openWithoutPolling(t, restricted(t, server, "-hset")).Lock(t.Context())
	assertDenied(t, "lock", err, "HSET")
	require.NoError(t, unlock())
}

// After a right was denied, the next Lock checks the rights again.
func TestLock_ChecksAgainAfterDenial(t *testing.T) {
	server := redistest.Start(t)
	s := open(t, restricted(t, server), "session")
	unlock := lock(t, s)
	save(t, s, "record-one")
	server.Do("ACL", "SETUSER", "restricted", "-hset")
	err := s.Save(t.Context(), []byte("record-two"))
	assertStoreError(t, "save", err)
	assert.True(t, redis.HasErrorPrefix(err, "NOPERM "), "%v", err)
	require.NoError(t, unlock())
	_, err = s.Lock(t.Context())
	assertDenied(t, "lock", err, "HSET")
	assert.Equal(t, "record-one", load(t, s))
}

func TestStore_RenamedCommandsAreMissing(t *testing.T) {
	server := redistest.Start(t, "--rename-command", "HSET", "", "--rename-command", "PEXPIRE", "")
	s := open(t, server.Client(), "session")
	require.ErrorContains(t, s.Check(t.Context()), ": HSET, PEXPIRE")
	_, err := s.Lock(t.Context())
	assertStoreError(t, "lock", err)
	require.ErrorContains(t, err, ": HSET, PEXPIRE")
}

func TestCheck_ChangesNothing(t *testing.T) {
	server := redistest.Start(t)
	holder := openWithoutPolling(t, server.Client())
	states := []func(){
		func() {},
		func() { save(t, holder, "record-one") },
		func() {
			unlock := lock(t, holder)
			t.Cleanup(func() { _ = unlock() })
		},
		func() { server.Do("SET", recordKey, "of another type") },
		func() { server.Do("DEL", lockKey); server.Do("RPUSH", lockKey, "of another type") },
	}
	s := open(t, server.Client(), "session")
	for _, state := range states {
		state()
		before, keys := changes(t, server), server.Do("KEYS", "*")
		require.NoError(t, s.Check(t.Context()))
		assert.Equal(t, before, changes(t, server))
		assert.ElementsMatch(t, keys, server.Do("KEYS", "*"))
	}
}

func TestCheck_OnACluster(t *testing.T) {
	server := redistest.StartCluster(t)
	for _, command := range documentedACL(t, "session") {
		server.Do(command...)
	}
	client := clusterClient(t, server, "agsauth")
	s := open(t, client, "session")
	require.NoError(t, s.Check(t.Context()))
	server.Do("ACL", "SETUSER", "agsauth", "-hset")
	assertDenied(t, "check", s.Check(t.Context()), "HSET")
	_, err := s.Lock(t.Context())
	assertDenied(t, "lock", err, "HSET")
}

// The rights that earlier versions documented, without PERSIST, suffice.
func TestStore_RightsOfEarlierVersionsSuffice(t *testing.T) {
	server := redistest.Start(t)
	server.Do(documentedACL(t, "*")[0]...)
	server.Do("ACL", "SETUSER", "agsauth", "-persist")
	testConformance(t, userClient(server))
	s := open(t, userClient(server), "session")
	save(t, s, "record-one")
	server.Do("PEXPIRE", recordKey, 3600_000)
	save(t, s, "record-two")
	assert.EqualValues(t, -1, server.Do("PTTL", recordKey))
	server.Do("PEXPIRE", recordKey, 3600_000)
	require.NoError(t, s.SetAside(t.Context(), "damaged"))
}

// Check recognizes the errors of denied rights, unknown commands and refused writes in a
// script.
func TestCheck_TextsOfErrors(t *testing.T) {
	server := redistest.Start(t)
	const script = redisstore.CheckFunctions + `
local refused = refusal(ARGV[1])
return {denied(ARGV[1]) and 'denied' or '', refused and refused.err or ''}`
	tests := []struct{ name, text, denied, refused string }{
		{"command, 6.2", "@user_script: 4: The user executing the script can't run this command or subcommand", "denied", ""},
		{
			"key, 6.2", "@user_script: 4: The user executing the script can't access at least one of the keys mentioned in the command arguments",
			"denied", "",
		},
		{"unknown, 6.2", "@user_script: 4: Unknown Redis command called from Lua script", "denied", ""},
		{
			"read only, 6.2", "@user_script: 4: -READONLY You can't write against a read only replica.", "",
			"READONLY You can't write against a read only replica.",
		},
		{
			"memory, 6.2", "@user_script: 14: -OOM command not allowed when used memory > 'maxmemory'.", "",
			"OOM command not allowed when used memory > 'maxmemory'.",
		},
		{"syntax", "ERR syntax error", "", ""},
		{"command, 7.0", "ERR The user executing the script can't run this command or subcommand", "denied", ""},
		{"unknown, 7.0", "ERR Unknown Redis command called from script", "denied", ""},
		{"command, 7.2", "ERR ACL failure in script: User agsauth has no permissions to run the 'hset' command", "denied", ""},
		{"key, 7.2", "ERR ACL failure in script: User agsauth has no permissions to access the 'agsauth:{session}:record' key", "denied", ""},
		{"arguments", "ERR wrong number of arguments for 'hset' command", "", ""},
		{"not a number", "ERR value is not an integer or out of range", "", ""},
		{"memory, 7.0", "OOM command not allowed when used memory > 'maxmemory'.", "", "OOM command not allowed when used memory > 'maxmemory'."},
		{"type", "WRONGTYPE Operation against a key holding the wrong kind of value", "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			assert.Equal(t, []any{tt.denied, tt.refused}, server.Do("EVAL", script, 0, tt.text))
		})
	}
	assert.Equal(t, []any{"denied", "NOPERM this user"}, server.Do("EVAL", script, 0, "NOPERM this user"))
}
