package redisstore_test

import (
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/store/redisstore/internal/redistest"
)

const (
	// in62 precedes the error of a command in a script of Redis 6.2.
	in62 = "ERR Error running script (call to f_64ef1b1c0c4cf66f3d3d1f0b0ba8f19a8c6e8ad5): @user_script:7: @user_script: 7: "
	// in70 follows the errors of scripts of Redis 7.0 and later.
	in70 = " script: 6073e39a450839486e7efc128db0b8ebeaaa0d07, on @user_script:1."

	readOnly    = "READONLY You can't write against a read only replica"
	outOfMemory = "OOM command not allowed when used memory > 'maxmemory'"
	wrongType   = "WRONGTYPE a key of the session holds the wrong kind of value"
)

var serverErrors = []struct{ name, text, want string }{
	{"read only, 6.2", in62 + "-READONLY You can't write against a read only replica.  ", readOnly},
	{"read only, 6.2, of a script's own", "@user_script: 7: -READONLY You can't write against a read only replica.", readOnly},
	{"read only, 7.0", readOnly + "." + in70, readOnly},
	{"memory, 6.2", in62 + "-OOM command not allowed when used memory > 'maxmemory'.  ", outOfMemory},
	{"memory, 7.0", outOfMemory + "." + in70, outOfMemory},
	{
		"persistence, 6.2", in62 + "-MISCONF Redis is configured to save RDB snapshots, but it is currently not able to persist on disk. " +
			"Commands that may modify the data set are disabled, because this instance is configured to report errors during writes if RDB " +
			"snapshotting fails (stop-writes-on-bgsave-error option). Please check the Redis logs for details about the RDB error. ",
		"MISCONF the server can't persist to disk",
	},
	{"persistence, 7.0", "MISCONF Errors writing to the AOF file: No space left on device" + in70, "MISCONF the server can't persist to disk"},
	{"type, 6.2", "ERR Error running script (call to f_64ef): @user_script:4: WRONGTYPE Operation against a key holding the wrong kind of value", wrongType},
	{"type, 7.0", "WRONGTYPE Operation against a key holding the wrong kind of value" + in70, wrongType},
	{"replicas, 6.2", in62 + "-NOREPLICAS Not enough good replicas to write. ", "NOREPLICAS Not enough good replicas to write"},
	{
		"command denied, 6.2", in62 + "The user executing the script can't run this command or subcommand",
		"NOPERM the user has no permission to run one of the commands",
	},
	{
		"key denied, 6.2", in62 + "The user executing the script can't access at least one of the keys mentioned in the command arguments",
		"NOPERM the user has no permission to use one of the session's keys",
	},
	{
		"command denied, 7.0", "ERR The user executing the script can't run this command or subcommand" + in70,
		"NOPERM the user has no permission to run one of the commands",
	},
	{
		"command denied, 7.2", "ERR ACL failure in script: User agsauth has no permissions to run the 'hset' command" + in70,
		"NOPERM the user has no permission to run the command HSET",
	},
	{
		"script denied, 6.2", "NOPERM this user has no permissions to run the 'evalsha' command or its subcommand",
		"NOPERM the user has no permission to run the command EVALSHA",
	},
	{
		"key denied to the script, 7.2", "NOPERM No permissions to access a key",
		"NOPERM the user has no permission to use one of the session's keys",
	},
	{"unknown command, 6.2", in62 + "Unknown Redis command called from Lua script", "ERR unknown command called from script"},
	{"unknown command, 7.0", "ERR Unknown Redis command called from script" + in70, "ERR unknown command called from script"},
	{"unknown script command, 6.2", "ERR unknown command `EVALSHA`, with args beginning with: `6073`, `1`, ", "ERR unknown command EVALSHA"},
	{"loading", "LOADING Redis is loading the dataset in memory", "LOADING the server is loading"},
	{"busy", "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.", "BUSY the server is busy"},
	{"cluster down", "CLUSTERDOWN Hash slot not served", "CLUSTERDOWN the cluster is down"},
	{"no cluster client", "MOVED 3999 127.0.0.1:6381", "MOVED the session's keys are on another node"},
	{"primary down", "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.", "MASTERDOWN the link"},
	{"clients", "ERR max number of clients reached", "ERR max number of clients reached"},
	{"protected", "DENIED Redis is running in protected mode because protected mode is enabled", "DENIED the server is running in protected mode"},
	{"unknown error", "ERR something else: 'it'", "ERR an error that this package does not know"},
	{"unknown code", "STRANGE things", "an error that this package does not know"},
	{"a script's without cause", "ERR Error running script (call to f_64ef): @user_script:", "an error that this package does not know"},
	{"no text", "", "an error that this package does not know"},
}

// The errors of Redis 6.2, 7.0 and 7.2 with the same cause have the same text.
func TestStore_ServerErrors(t *testing.T) {
	for _, tt := range serverErrors {
		t.Run(tt.name, func(t *testing.T) {
			server := redistest.StartScripted(t, func([]string) (string, bool) { return "-" + tt.text + "\r\n", true })
			s := open(t, server.ClientWith(&redis.Options{MaxRetries: -1}), "session")
			calls := methods(s)
			calls["check"] = s.Check
			for op, call := range calls {
				err := call(t.Context())
				assertStoreError(t, op, err)
				require.ErrorContains(t, err, "redisstore: "+op+": the server says: "+tt.want)
				assert.True(t, redis.HasErrorPrefix(err, strings.TrimPrefix(tt.want, "ERR ")[:4]), "%v", err)
			}
		})
	}
}

// After a result from which it is not certain that the lock was not taken, Lock releases
// it.
func TestLock_IsReleasedAfterUnknownResult(t *testing.T) {
	tests := []struct {
		name, text string
		released   bool
	}{
		{"unknown status", "*1\r\n$4\r\nhold\r\n", true},
		{"nothing", "*0\r\n", true},
		{"malformed", ":no number\r\n", true},
		{"a proxy's error", "-ERR upstream failure\r\n", true},
		{"the server's refusal", "-OOM command not allowed when used memory > 'maxmemory'.\r\n", false},
		{"a right that is missing", "*2\r\n$6\r\ndenied\r\n$4\r\nHSET\r\n", false},
		{"held by another, with an invalid time", "*2\r\n$4\r\nbusy\r\n$1\r\nx\r\n", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			commands := make(chan []string, 10)
			server := redistest.StartScripted(t, func(command []string) (string, bool) {
				commands <- command
				return tt.text, true
			})
			client := server.ClientWith(&redis.Options{MaxRetries: -1})
			spy := newSpy(client)
			_, err := open(t, client, "session").Lock(t.Context())
			assertStoreError(t, "lock", err)
			assert.NotContains(t, <-commands, "agsauth:{session}:released")
			if tt.released {
				assert.Contains(t, <-commands, "agsauth:{session}:released")
				spy.await(1)
			}
			spy.await(1)
			assert.Empty(t, commands)
		})
	}
}
