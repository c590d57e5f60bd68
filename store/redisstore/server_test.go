package redisstore_test

import (
	"os"
	"runtime"
	"slices"
	"strconv"
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

// documentedACL returns the ACL commands in the package documentation, for the session
// name.
func documentedACL(tb testing.TB, name string) [][]any {
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
	require.Len(tb, commands, 3, "one for every server, one for clusters, and one for Shares")
	return commands
}

func TestStore_DocumentedRightsSuffice(t *testing.T) {
	server := redistest.Start(t)
	server.Do(documentedACL(t, "*")[0]...)
	testConformance(t, userClient(server))
	assertNothingDenied(t, server)
}

func TestStore_DocumentedRightsSufficeOnACluster(t *testing.T) {
	server := redistest.StartCluster(t)
	for _, command := range documentedACL(t, "*") {
		server.Do(command...)
	}
	client := clusterClient(t, server, "agsauth")
	testConformance(t, client)
	assertNothingDenied(t, server)
}

// assertNothingDenied asserts that the server has denied nothing to the Stores.
func assertNothingDenied(t *testing.T, server *redistest.Server) {
	t.Helper()
	for _, entry := range server.Do("ACL", "LOG").([]any) {
		denied := entry.(map[any]any)["object"]
		// Optional commands of the client.
		assert.Contains(t, []any{"client|setinfo", "client|maint_notifications"}, denied)
	}
}

// The documented rights for one session give no access to another one.
func TestStore_DocumentedRightsOfOneSession(t *testing.T) {
	server := redistest.Start(t)
	save(t, open(t, server.Client(), "other"), "record-of-another")
	server.Do(documentedACL(t, "session")[0]...)
	client := userClient(server)
	s := open(t, client, "session")
	require.NoError(t, s.Check(t.Context()))
	save(t, s, "record-one")
	require.NoError(t, lock(t, s)())
	assertNothingDenied(t, server)
	for op, call := range methods(open(t, client, "other")) {
		err := call(t.Context())
		assertStoreError(t, op, err)
		assert.True(t, redis.HasErrorPrefix(err, "NOPERM"), "%v", err)
	}
}

func TestStore_KeysAreInOneSlot(t *testing.T) {
	server := redistest.StartCluster(t)
	client := clusterClient(t, server, "")
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

// Each call is one script. Scripts that the server has not cached need a second command.
func TestStore_CommandsPerCycle(t *testing.T) {
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

// The commands of a waiter in 30 seconds, with the defaults.
func TestLock_CommandsOfAWaiter(t *testing.T) {
	tests := []struct {
		name string
		deny string
		most int
	}{
		{"with notifications", "+subscribe", 7},
		{"without notifications", "-subscribe", 42},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			server := redistest.Start(t)
			unlock := lock(t, openWithoutPolling(t, server.Client()))
			server.Do("ACL", "SETUSER", "default", tt.deny)
			server.ResetCalls()
			fake, client := stoppedClock(), server.Client()
			c, spy := newWatchedClock(fake), newSpy(client)
			w := startLock(t.Context(), openWith(t, redisstore.Config{Client: client, Clock: c}))
			spy.await(1)
			await := func(least, most time.Duration) {
				for d := range c.timers {
					if least <= d && d <= most {
						return
					}
				}
			}
			if tt.deny == "+subscribe" {
				spy.await(1)
				await(5*time.Second, 15*time.Second)
			} else {
				await(500*time.Millisecond, 1500*time.Millisecond) // before the subscription fails
				await(500*time.Millisecond, 1500*time.Millisecond)
			}
			polls := advanceHalfAMinute(t, fake, c, spy)
			calls := server.Calls()
			t.Logf("%d polls in 30 s; all commands: %v", polls, calls)
			assert.LessOrEqual(t, calls["evalsha"], tt.most)
			assert.LessOrEqual(t, calls["subscribe"], 1)
			require.NoError(t, unlock())
			if tt.deny == "-subscribe" {
				fake.Advance(2 * time.Second)
			}
			require.NoError(t, w.acquired(t)())
		})
	}
}

// advanceHalfAMinute advances the clock of a waiter, and counts how often it polls.
func advanceHalfAMinute(t *testing.T, fake *clock.Fake, c *watchedClock, spy *scriptSpy) (polls int) {
	t.Helper()
	for passed := time.Duration(0); ; polls++ {
		if passed += fake.AdvanceToNext(); passed >= 30*time.Second {
			spy.await(1)
			<-c.timers
			return polls + 1
		}
		spy.await(1)
		<-c.timers
	}
}

// The time from unlock until the next Lock returns.
func BenchmarkLock_Handover(b *testing.B) {
	server := redistest.Start(b)
	client := server.Client()
	holder := openWithoutPolling(b, client)
	spy := newSpy(client)
	var total time.Duration
	for b.Loop() {
		unlock := lock(b, holder)
		for len(spy.results) > 0 {
			<-spy.results
		}
		w := startLock(b.Context(), openWithoutPolling(b, client))
		spy.await(2)
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

// What a Store of New and one of a Family cost.
func BenchmarkNew(b *testing.B) {
	client := redis.NewClient(&redis.Options{})
	b.Cleanup(func() { _ = client.Close() })
	family := openFamily(b, redisstore.FamilyConfig{Client: client})
	b.Run("of=New", func(b *testing.B) {
		for b.Loop() {
			_ = open(b, client, "customer-1")
		}
	})
	b.Run("of=Family", func(b *testing.B) {
		var kept *redisstore.Store
		for b.Loop() {
			kept = family.Store("customer-1")
		}
		runtime.KeepAlive(kept)
	})
}

// The records of 100,000 sessions at the start of a process.
func BenchmarkFamily_LoadAll(b *testing.B) {
	const sessions = 100_000
	server := redistest.Start(b)
	family := openFamily(b, redisstore.FamilyConfig{Client: server.Client()})
	names, record := make([]string, sessions), strings.Repeat("r", 2500)
	for i := range names {
		names[i] = "customer-" + strconv.Itoa(i)
	}
	for i := range names {
		server.Do("HSET", "agsauth:{"+names[i]+"}:record", "version", "7KX3CLQ6TZ4WV5N2YB0HDGMRPJ", "data", record)
	}
	for b.Loop() {
		for _, err := range family.LoadAll(b.Context(), slices.Values(names)) {
			require.NoError(b, err)
		}
	}
	b.ReportMetric(float64(sessions*b.N)/b.Elapsed().Seconds(), "records/s")
}
