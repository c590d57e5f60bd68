package redisstore_test

import (
	"context"
	"fmt"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/store"
	"github.com/agsauth/agsauth/store/redisstore"
	"github.com/agsauth/agsauth/store/redisstore/internal/redistest"
	"github.com/agsauth/agsauth/store/storetest"
)

func openFamily(tb testing.TB, cfg redisstore.FamilyConfig) *redisstore.Family {
	tb.Helper()
	f, err := redisstore.NewFamily(cfg)
	require.NoError(tb, err)
	tb.Cleanup(func() { require.NoError(tb, f.Close()) })
	return f
}

// openFamilyWithoutPolling returns a Family that learns of a release only by a notification.
func openFamilyWithoutPolling(tb testing.TB, client redis.UniversalClient) *redisstore.Family {
	tb.Helper()
	return openFamily(tb, redisstore.FamilyConfig{Client: client, Lease: never, PollInterval: never})
}

func testFamilyConformance(t *testing.T, client redis.UniversalClient) {
	t.Helper()
	family, sessions := openFamily(t, redisstore.FamilyConfig{Client: client}), 0
	storetest.Run(t, func(testing.TB) storetest.Opener {
		sessions++
		name := "session " + strconv.Itoa(sessions)
		return func() storetest.Store { return family.Store(name) }
	})
}

func TestFamily_Conformance(t *testing.T) {
	testFamilyConformance(t, redistest.Start(t).Client())
}

func TestFamily_ConformanceOnACluster(t *testing.T) {
	testFamilyConformance(t, clusterClient(t, redistest.StartCluster(t), ""))
}

func TestFamily_ConformanceSealed(t *testing.T) {
	family, sessions := openFamily(t, redisstore.FamilyConfig{Client: redistest.Start(t).Client()}), 0
	key, err := store.NewKey([]byte(strings.Repeat("k", 32)))
	require.NoError(t, err)
	storetest.Run(t, func(testing.TB) storetest.Opener {
		sessions++
		name := "session " + strconv.Itoa(sessions)
		return func() storetest.Store {
			return &store.Sealed{Store: family.Store(name), Name: name, Keys: []store.Key{key}}
		}
	})
}

// A Store of a Family and one of New with the same Name share the session.
func TestFamily_SharesSessionsWithNew(t *testing.T) {
	client := redistest.Start(t).Client()
	one, other := openFamilyWithoutPolling(t, client).Store("session"), openWithoutPolling(t, client)
	save(t, one, "record-one")
	assert.Equal(t, "record-one", load(t, other))
	unlock := lock(t, other)
	w := startLock(t.Context(), one)
	require.NoError(t, unlock())
	require.NoError(t, w.acquired(t)())
}

func TestNewFamily_RefusesConfig(t *testing.T) {
	client := redis.NewClient(&redis.Options{})
	ring := redis.NewRing(&redis.RingOptions{})
	t.Cleanup(func() { _, _ = client.Close(), ring.Close() })
	for want, cfg := range map[string]redisstore.FamilyConfig{
		"FamilyConfig.Client is nil":                 {},
		"FamilyConfig.Client is a Ring":              {Client: ring},
		"FamilyConfig.Prefix has braces":             {Client: client, Prefix: "a{b}:"},
		"FamilyConfig.Prefix is longer than 512":     {Client: client, Prefix: strings.Repeat("p", 513)},
		"FamilyConfig.Lease is not between 100ms":    {Client: client, Lease: time.Millisecond},
		"FamilyConfig.PollInterval is not between 1": {Client: client, PollInterval: 25 * time.Hour},
	} {
		f, err := redisstore.NewFamily(cfg)
		assert.Nil(t, f)
		require.ErrorContains(t, err, "redisstore: "+want)
	}
}

var badNames = map[string]string{
	"":                       "is empty",
	"a{b":                    "has braces",
	"a}":                     "has braces",
	strings.Repeat("n", 513): "is longer than 512 bytes",
}

func TestFamily_RefusesNames(t *testing.T) {
	server := redistest.Start(t)
	family := openFamily(t, redisstore.FamilyConfig{Client: server.Client()})
	server.ResetCalls()
	for name, want := range badNames {
		s := family.Store(name)
		calls := methods(s)
		calls["check"] = s.Check
		for op, call := range calls {
			err := call(t.Context())
			assertStoreError(t, op, err)
			require.EqualError(t, err, "redisstore: "+op+": the name of the session "+want)
		}
	}
	assert.Zero(t, server.Calls()["eval"]+server.Calls()["evalsha"], "nothing is sent")
	save(t, family.Store(strings.Repeat("n", 512)), "record")
}

func TestFamily_PrintsNoCredentials(t *testing.T) {
	server := redistest.Start(t, "--requirepass", "password-of-secrets")
	options := server.Options()
	options.Password = "password-of-secrets"
	cfg := redisstore.FamilyConfig{Client: server.ClientWith(options)}
	f := openFamily(t, cfg)
	save(t, f.Store("session"), "record-of-secrets")
	text := diffOf(t, f, &redisstore.Family{})
	require.Contains(t, text, "agsauth:", "the report must show the Family")
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
		text += fmt.Sprintf(verb, f) + fmt.Sprintf(verb, cfg) + fmt.Sprintf(verb, f.Store("session"))
	}
	assert.NotContains(t, text, "of-secrets")
}

// A Store that has loaded its record takes a hundred bytes.
func TestFamily_StoreIsSmall(t *testing.T) {
	const stores, most = 5000, 100
	family := openFamily(t, redisstore.FamilyConfig{Client: redistest.Start(t).Client()})
	names := make([]string, stores)
	for i := range names {
		names[i] = strconv.Itoa(i)
	}
	kept := make([]*redisstore.Store, 0, stores)
	for _, name := range names {
		s := family.Store(name)
		save(t, s, "record")
		kept = append(kept, s)
	}
	loadAll(t, family, names...) // the client keeps buffers
	loaded := make([]*redisstore.Store, 0, stores)
	before := heap()
	for l, err := range family.LoadAll(t.Context(), slices.Values(names)) {
		require.NoError(t, err)
		loaded = append(loaded, l.Store)
	}
	each := float64(heap()-before) / stores
	t.Logf("%.0f bytes for each Store", each)
	assert.LessOrEqual(t, each, most*1.05, "with 5 percent for what else the process allocates")
	require.NoError(t, lock(t, loaded[0])())
	runtime.KeepAlive(kept)
	runtime.KeepAlive(loaded)
}

// heap returns the bytes in use after a garbage collection.
func heap() int64 {
	var stats runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&stats)
	return int64(stats.HeapAlloc)
}

// subscribers returns how many channels each subscribed connection has.
func subscribers(server *redistest.Server) (channels []int) {
	list, _ := server.Do("CLIENT", "LIST", "TYPE", "pubsub").(string)
	for _, match := range regexp.MustCompile(` sub=(\d+) `).FindAllStringSubmatch(list, -1) {
		n, _ := strconv.Atoi(match[1])
		channels = append(channels, n)
	}
	return channels
}

// awaitSubscribers waits until the server has these subscribed connections. One without
// channels does not count.
func awaitSubscribers(tb testing.TB, server *redistest.Server, want ...int) {
	tb.Helper()
	assert.EventuallyWithT(tb, func(c *assert.CollectT) {
		assert.Equal(c, want, subscribers(server))
	}, time.Minute, 2*time.Millisecond)
}

// stacks returns the stacks of all goroutines.
func stacks() string {
	text := make([]byte, 1<<22)
	return string(text[:runtime.Stack(text, true)])
}

// waitAll begins to wait for the locks of names.
func waitAll(ctx context.Context, f *redisstore.Family, names []string) (all []*pendingLock) {
	for _, name := range names {
		all = append(all, startLock(ctx, f.Store(name)))
	}
	return all
}
