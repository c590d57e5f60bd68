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

// restricted returns a client of a user that has all rights but those that rules
// take away.
func restricted(tb testing.TB, server *redistest.Server, rules ...any) *redis.Client {
	tb.Helper()
	server.Do(append([]any{"ACL", "SETUSER", "restricted", "reset", "on", ">secret", "~*", "&*", "+@all"}, rules...)...)
	options := server.Options()
	options.Username, options.Password = "restricted", "secret"
	return server.ClientWith(options)
}

// changes returns how often the server's data was changed since it began.
func changes(tb testing.TB, server *redistest.Server) string {
	tb.Helper()
	_, rest, found := strings.Cut(server.Do("INFO", "persistence").(string), "rdb_changes_since_last_save:")
	require.True(tb, found)
	number, _, _ := strings.Cut(rest, "\r\n")
	return number
}

// assertDenied asserts that err says that the command was denied, and no other.
func assertDenied(tb testing.TB, op string, err error, command string) {
	tb.Helper()
	assertOther(tb, op, err)
	assert.True(tb, redis.HasErrorPrefix(err, "NOPERM "), "%v", err)
	last := err.Error()[strings.LastIndex(err.Error(), " ")+1:]
	assert.Equal(tb, command, last)
}

// Without any of these no session can be stored. It is found out by Check, and by
// the first Lock, before anything is written.
func TestStore_MissingRightIsFoundBeforeItIsNeeded(t *testing.T) {
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
			require.NoError(t, lock(t, s)(), "and the next Lock looks again")
		})
	}
}

func TestStore_AllMissingRightsAreNamed(t *testing.T) {
	server := redistest.Start(t)
	s := open(t, restricted(t, server, "-hset", "-del", "-pexpire", "-persist"), "session")
	err := s.Check(t.Context())
	assertOther(t, "check", err)
	require.ErrorContains(t, err, ": HSET, PEXPIRE, DEL, PERSIST")
	_, err = s.Lock(t.Context())
	assertOther(t, "lock", err)
	require.ErrorContains(t, err, ": HSET, PEXPIRE, DEL")
}

// Only SetAside needs them, so a session can be stored without.
func TestStore_RightsThatOnlyCheckLooksAt(t *testing.T) {
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

func TestStore_RightsThatAreNotNeeded(t *testing.T) {
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
	for op, call := range map[string]func(context.Context) error{"check": s.Check, "lock": each(s)["lock"]} {
		err := call(t.Context())
		assertOther(t, op, err)
		assert.True(t, redis.HasErrorPrefix(err, "NOPERM "), "%v", err)
		require.ErrorContains(t, err, "one of the session's keys")
	}
}

// Where the lock is held by another its key cannot be deleted to see whether that
// is allowed. So the one that waits looks once the lock is free.
func TestLock_RightIsMissingWhileTheLockIsHeld(t *testing.T) {
	server := redistest.Start(t)
	unlock := lock(t, patiently(t, server.Client()))
	client := restricted(t, server, "-del")
	spied := spyOn(client)
	w := waitFor(t.Context(), patiently(t, client))
	spied.await(2)
	require.NoError(t, unlock())
	<-w.done
	assertDenied(t, "lock", w.err, "DEL")
	assert.EqualValues(t, 0, server.Do("EXISTS", lockKey))

	unlock = lock(t, patiently(t, server.Client()))
	_, err := patiently(t, restricted(t, server, "-hset")).Lock(t.Context())
	assertDenied(t, "lock", err, "HSET")
	require.NoError(t, unlock())
}

// A right that is taken away later is told by whatever needs it, and then by Lock
// before it is needed again.
func TestLock_LooksAgainAfterADenial(t *testing.T) {
	server := redistest.Start(t)
	s := open(t, restricted(t, server), "session")
	unlock := lock(t, s)
	save(t, s, "record-one")
	server.Do("ACL", "SETUSER", "restricted", "-hset")
	err := s.Save(t.Context(), []byte("record-two"))
	assertOther(t, "save", err)
	assert.True(t, redis.HasErrorPrefix(err, "NOPERM "), "%v", err)
	require.NoError(t, unlock())
	_, err = s.Lock(t.Context())
	assertDenied(t, "lock", err, "HSET")
	assert.Equal(t, "record-one", load(t, s))
}

func TestStore_CommandsThatWereRenamedAreMissing(t *testing.T) {
	server := redistest.Start(t, "--rename-command", "HSET", "", "--rename-command", "PEXPIRE", "")
	s := open(t, server.Client(), "session")
	require.ErrorContains(t, s.Check(t.Context()), ": HSET, PEXPIRE")
	_, err := s.Lock(t.Context())
	assertOther(t, "lock", err)
	require.ErrorContains(t, err, ": HSET, PEXPIRE")
}

// Check may be called at any time: it touches neither a record nor a lock.
func TestCheck_ChangesNothing(t *testing.T) {
	server := redistest.Start(t)
	holder := patiently(t, server.Client())
	states := []func(){
		func() {},
		func() { save(t, holder, "record-one") },
		func() {
			unlock := lock(t, holder)
			t.Cleanup(func() { _ = unlock() })
		},
		func() { server.Do("SET", recordKey, "of another kind") },
		func() { server.Do("DEL", lockKey); server.Do("RPUSH", lockKey, "of another kind") },
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

func TestCheck_DocumentedRightsAreEnough(t *testing.T) {
	server := redistest.Start(t)
	server.Do(documented(t, "session")[0]...)
	options := server.Options()
	options.Username, options.Password = "agsauth", "secret"
	require.NoError(t, open(t, server.ClientWith(options), "session").Check(t.Context()))
	assertNothingDenied(t, server)
}

func TestCheck_OnACluster(t *testing.T) {
	server := redistest.StartCluster(t)
	for _, command := range documented(t, "session") {
		server.Do(command...)
	}
	client := redis.NewClusterClient(&redis.ClusterOptions{Addrs: []string{server.Addr}, Username: "agsauth", Password: "secret"})
	t.Cleanup(func() { _ = client.Close() })
	s := open(t, client, "session")
	require.NoError(t, s.Check(t.Context()))
	server.Do("ACL", "SETUSER", "agsauth", "-hset")
	assertDenied(t, "check", s.Check(t.Context()), "HSET")
	_, err := s.Lock(t.Context())
	assertDenied(t, "lock", err, "HSET")
}

// A user that was made for an earlier version has no right to PERSIST, and loses
// nothing by it.
func TestStore_RightsOfEarlierVersionsAreEnough(t *testing.T) {
	server := redistest.Start(t)
	server.Do(documented(t, "*")[0]...)
	server.Do("ACL", "SETUSER", "agsauth", "-persist")
	options := server.Options()
	options.Username, options.Password = "agsauth", "secret"
	conforms(t, server.ClientWith(options))
	s := open(t, server.ClientWith(options), "session")
	save(t, s, "record-one")
	server.Do("PEXPIRE", recordKey, 3600_000)
	save(t, s, "record-two")
	assert.EqualValues(t, -1, server.Do("PTTL", recordKey))
	server.Do("PEXPIRE", recordKey, 3600_000)
	require.NoError(t, s.SetAside(t.Context(), "damaged"))
}

// The texts by which servers deny a right, do not know a command, or refuse writes,
// as a script sees them.
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
		{"no number", "ERR value is not an integer or out of range", "", ""},
		{"memory, 7.0", "OOM command not allowed when used memory > 'maxmemory'.", "", "OOM command not allowed when used memory > 'maxmemory'."},
		{"kind", "WRONGTYPE Operation against a key holding the wrong kind of value", "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			assert.Equal(t, []any{tt.denied, tt.refused}, server.Do("EVAL", script, 0, tt.text))
		})
	}
	assert.Equal(t, []any{"denied", "NOPERM this user"}, server.Do("EVAL", script, 0, "NOPERM this user"))
}
