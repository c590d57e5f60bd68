package doctor_test

import (
	"math/rand/v2"
	"net"
	"net/url"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/agstest"
	"github.com/agsauth/agsauth/cmd/agsauth/internal/doctor"
	"github.com/agsauth/agsauth/store/redisstore"
)

// startRedis starts a server, and returns a client of it. Without a server program it skips the test, unless AGSAUTH_REQUIRE_REDIS is 1.
func startRedis(t *testing.T, options ...string) *redis.Client {
	t.Helper()
	logging.Disable()
	program, err := exec.LookPath("redis-server")
	if err != nil {
		program, err = exec.LookPath("valkey-server")
	}
	if err != nil && os.Getenv("AGSAUTH_REQUIRE_REDIS") == "1" {
		t.Fatal("there is no redis-server in the PATH")
	} else if err != nil {
		t.Skip("there is no redis-server in the PATH")
	}
	host, port, err := net.SplitHostPort(freeAddr(t))
	require.NoError(t, err)
	server := exec.Command(program, append([]string{"--dir", t.TempDir(), "--bind", host, "--port", port, "--save", ""}, options...)...)
	require.NoError(t, server.Start())
	client := redis.NewClient(&redis.Options{Addr: net.JoinHostPort(host, port)})
	t.Cleanup(func() {
		_ = client.Close()
		_ = server.Process.Kill()
		_ = server.Wait()
	})
	require.Eventually(t, func() bool { return client.Ping(t.Context()).Err() == nil }, 30*time.Second, 10*time.Millisecond)
	return client
}

// freeAddr returns a loopback address whose port is free, and not one of those that the
// system gives to others.
func freeAddr(t *testing.T) string {
	t.Helper()
	for range 100 {
		addr := net.JoinHostPort("127.0.0.1", strconv.Itoa(12000+rand.IntN(20000)))
		listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", addr)
		if err == nil {
			require.NoError(t, listener.Close())
			return addr
		}
	}
	t.Fatal("there is no free port")
	return ""
}

// inRedis stores the session of a patient in Redis.
func (p *patient) inRedis(client *redis.Client) {
	p.tb.Helper()
	p.useRedis(client, nil)
	shared, err := redisstore.New(redisstore.Config{Client: client, Name: "default"})
	require.NoError(p.tb, err)
	p.signOn(shared)
}

// useRedis sets the URL of the server, with a user.
func (p *patient) useRedis(client *redis.Client, user *url.Userinfo) {
	u := url.URL{Scheme: "redis", User: user, Host: client.Options().Addr}
	p.cfg.Settings.Store = u.String()
}

func TestRun_Redis(t *testing.T) {
	client := startRedis(t, "--appendonly", "yes")
	p := newPatient(t, agstest.Config{})
	p.inRedis(client)
	before := client.HGetAll(t.Context(), "agsauth:{default}:record").Val()
	require.NotEmpty(t, before["data"])

	results := p.examine()
	assertLevels(t, results, map[string]doctor.Level{})
	assert.Contains(t, results["redis settings"].Text, "appendonly is on")
	assert.Contains(t, results["session"].Text, "fresh")
	assert.Equal(t, before, client.HGetAll(t.Context(), "agsauth:{default}:record").Val())
	assert.Equal(t, doctor.Skipped, results["session file"].Level)

	require.NoError(t, client.Set(t.Context(), "agsauth:{default}:lock", "another", time.Minute).Err())
	assertLevels(t, p.examine(), map[string]doctor.Level{"lock": doctor.Warning})
	require.NoError(t, client.Del(t.Context(), "agsauth:{default}:lock").Err())

	require.NoError(t, client.ConfigSet(t.Context(), "maxmemory", "100mb").Err())
	require.NoError(t, client.ConfigSet(t.Context(), "maxmemory-policy", "allkeys-lru").Err())
	assertLevels(t, p.examine(), map[string]doctor.Level{"redis settings": doctor.Warning})
}

func TestRun_RedisRights(t *testing.T) {
	client := startRedis(t)
	p := newPatient(t, agstest.Config{})
	p.inRedis(client)
	assertLevels(t, p.examine(), map[string]doctor.Level{"redis settings": doctor.Warning})

	require.NoError(t, client.Do(t.Context(), "ACL", "SETUSER", "limited", "on", ">S3CR3T", "~*", "&*", "+@all", "-hset", "-info").Err())
	p.useRedis(client, url.UserPassword("limited", "S3CR3T"))
	results := p.examine()
	assertLevels(t, results, map[string]doctor.Level{"redis": doctor.Failure})
	assert.Contains(t, results["redis"].Text, "HSET")
	assert.Contains(t, results["redis settings"].Text, "may not run INFO")

	p.useRedis(client, url.UserPassword("limited", "wrong"))
	results = p.examine()
	assertLevels(t, results, map[string]doctor.Level{"redis": doctor.Failure})
	assert.Contains(t, results["redis"].Hint, "AGSAUTH_STORE")
	for name, r := range results {
		assert.False(t, strings.Contains(r.Text+r.Hint, "wrong@") || strings.Contains(r.Text+r.Hint, "limited"), name)
	}
}

func TestRun_RedisAway(t *testing.T) {
	p := newPatient(t, agstest.Config{})
	p.cfg.Settings.Store = "redis://me:S3CR3T@127.0.0.1:1/0"
	results := p.examine()
	assertLevels(t, results, map[string]doctor.Level{"redis": doctor.Failure})
	p.cfg.Settings.Store = "redis://me:S3CR3T@127.0.0.1:1/0/odd"
	for name, r := range p.examine() {
		assert.NotContains(t, r.Text+r.Hint, "S3CR3T", name)
		results[name] = r
	}
	assertLevels(t, results, map[string]doctor.Level{"redis": doctor.Failure})
}
