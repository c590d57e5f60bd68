package redisstore_test

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/clock"
	"github.com/agsauth/agsauth/store/redisstore"
	"github.com/agsauth/agsauth/store/redisstore/internal/redistest"
)

// documented returns the commands for access rights that the package's
// documentation gives, for the session name.
func documented(tb testing.TB, name string) [][]any {
	tb.Helper()
	text, err := os.ReadFile("doc.go")
	require.NoError(tb, err)
	var commands [][]any
	for line := range strings.Lines(string(text)) {
		if _, command, found := strings.Cut(line, "//\tACL "); found {
			words := []any{"ACL"}
			for word := range strings.FieldsSeq(strings.NewReplacer("NAME", name, "PASSWORD", "secret").Replace(command)) {
				words = append(words, word)
			}
			commands = append(commands, words)
		}
	}
	require.Len(tb, commands, 2, "for one server, and what a cluster needs besides")
	return commands
}

func TestStore_DocumentedRightsAreEnough(t *testing.T) {
	server := redistest.Start(t)
	server.Do(documented(t, "*")[0]...)
	options := server.Options()
	options.Username, options.Password = "agsauth", "secret"
	conforms(t, server.ClientWith(options))
	assertNothingDenied(t, server)
}

func TestStore_DocumentedRightsAreEnoughOnACluster(t *testing.T) {
	server := redistest.StartCluster(t)
	for _, command := range documented(t, "*") {
		server.Do(command...)
	}
	client := redis.NewClusterClient(&redis.ClusterOptions{Addrs: []string{server.Addr}, Username: "agsauth", Password: "secret"})
	t.Cleanup(func() { _ = client.Close() })
	conforms(t, client)
	assertNothingDenied(t, server)
}

// assertNothingDenied asserts that the server has refused nothing to the Stores.
func assertNothingDenied(t *testing.T, server *redistest.Server) {
	t.Helper()
	for _, entry := range server.Do("ACL", "LOG").([]any) {
		denied := entry.(map[any]any)["object"]
		// What the client says of itself, which it may as well leave out.
		assert.Contains(t, []any{"client|setinfo", "client|maint_notifications"}, denied)
	}
}

// And they are no more than that: one session's user can do nothing to another.
func TestStore_DocumentedRightsAreOfOneSession(t *testing.T) {
	server := redistest.Start(t)
	save(t, open(t, server.Client(), "other"), "record-of-another")
	server.Do(documented(t, "session")[0]...)
	options := server.Options()
	options.Username, options.Password = "agsauth", "secret"
	client := server.ClientWith(options)
	save(t, open(t, client, "session"), "record-one")
	require.NoError(t, lock(t, open(t, client, "session"))())
	for op, call := range each(open(t, client, "other")) {
		err := call(t.Context())
		assertOther(t, op, err)
		assert.True(t, redis.HasErrorPrefix(err, "NOPERM"), "%v", err)
	}
}

func TestStore_KeysOfASessionLieTogether(t *testing.T) {
	server := redistest.StartCluster(t)
	client := redis.NewClusterClient(&redis.ClusterOptions{Addrs: []string{server.Addr}})
	t.Cleanup(func() { _ = client.Close() })
	s := open(t, client, "customer one")
	save(t, s, "record-one")
	require.NoError(t, s.SetAside(t.Context(), "damaged"))
	save(t, s, "record-two")
	require.NoError(t, lock(t, s)())
	unlock := lock(t, s)
	keys := server.Do("KEYS", "*").([]any)
	require.Len(t, keys, 4)
	slot := server.Do("CLUSTER", "KEYSLOT", "customer one")
	for _, key := range append(keys, "agsauth:{customer one}:unlocked") {
		assert.Equal(t, slot, server.Do("CLUSTER", "KEYSLOT", key), key)
	}
	require.NoError(t, unlock())
}

// One script each, and one more for each that the server does not know yet.
func TestStore_CommandsOfACycle(t *testing.T) {
	server := redistest.Start(t)
	s := open(t, server.Client(), "session")
	cycle := func() {
		unlock := lock(t, s)
		_, _ = s.Load(t.Context())
		save(t, s, "record")
		require.NoError(t, unlock())
	}
	cycle()
	assert.Equal(t, 4, server.Calls()["eval"])
	server.ResetCalls()
	for range 10 {
		cycle()
	}
	calls := server.Calls()
	assert.Equal(t, 40, calls["evalsha"])
	assert.Zero(t, calls["eval"])
	assert.Zero(t, calls["subscribe"])
	t.Logf("ten cycles: %v", calls)
}

// What one costs that waits for half a minute, with the defaults.
func TestLock_CommandsOfAWaiter(t *testing.T) {
	tests := []struct {
		name string
		deny string
		most int
	}{
		{"that is told", "+subscribe", 7},
		{"that is not", "-subscribe", 42},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			server := redistest.Start(t)
			unlock := lock(t, patiently(t, server.Client()))
			server.Do("ACL", "SETUSER", "default", tt.deny)
			server.ResetCalls()
			fake, client := stopped(), server.Client()
			c, spied := watch(fake), spyOn(client)
			w := waitFor(t.Context(), openWith(t, redisstore.Config{Client: client, Clock: c}))
			spied.await(1)
			await := func(least, most time.Duration) {
				for d := range c.made {
					if least <= d && d <= most {
						return
					}
				}
			}
			if tt.deny == "+subscribe" {
				spied.await(1)
				await(5*time.Second, 15*time.Second)
			} else {
				await(500*time.Millisecond, 1500*time.Millisecond) // until it learns that it may not
				await(500*time.Millisecond, 1500*time.Millisecond)
			}
			looks := playHalfAMinute(t, fake, c, spied)
			calls := server.Calls()
			t.Logf("%d looks in 30 s; all commands: %v", looks, calls)
			assert.LessOrEqual(t, calls["evalsha"], tt.most)
			assert.LessOrEqual(t, calls["subscribe"], 1)
			require.NoError(t, unlock())
			if tt.deny == "-subscribe" {
				fake.Advance(2 * time.Second)
			}
			require.NoError(t, w.got(t)())
		})
	}
}

// playHalfAMinute plays the time of a waiter that has just made its timer.
func playHalfAMinute(t *testing.T, fake *clock.Fake, c *watchedClock, spied *spy) (looks int) {
	t.Helper()
	for passed := time.Duration(0); ; looks++ {
		if passed += fake.AdvanceToNext(); passed >= 30*time.Second {
			spied.await(1)
			<-c.made
			return looks + 1
		}
		spied.await(1)
		<-c.made
	}
}

// How long it takes from unlock until the next has the lock.
func BenchmarkLock_PassedOn(b *testing.B) {
	server := redistest.Start(b)
	client := server.Client()
	holder := patiently(b, client)
	spied := spyOn(client)
	var total time.Duration
	for b.Loop() {
		unlock := lock(b, holder)
		for len(spied.answered) > 0 {
			<-spied.answered
		}
		w := waitFor(b.Context(), patiently(b, client))
		spied.await(2)
		began := time.Now()
		require.NoError(b, unlock())
		<-w.done
		total += time.Since(began)
		require.NoError(b, w.unlock())
	}
	b.ReportMetric(float64(total.Microseconds())/float64(b.N), "µs/handover")
}

func BenchmarkStore(b *testing.B) {
	s := open(b, redistest.Start(b).Client(), "session")
	for b.Loop() {
		unlock := lock(b, s)
		_, _ = s.Load(b.Context())
		save(b, s, strings.Repeat("r", 4096))
		require.NoError(b, unlock())
	}
}
