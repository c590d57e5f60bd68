package doctor

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"
)

// errRedisURL does not quote the URL, which may have a password.
var errRedisURL = errors.New("the store is no valid URL of a Redis server; use one like redis://HOST:6379/0")

// inRedis returns a result for the checks of Redis if they do not apply.
func (e *examination) inRedis() (Result, bool) {
	switch {
	case e.Settings == nil:
		return noSettings(), false
	case !e.Settings.IsRedis():
		return skipped("the session is stored in a file"), false
	}
	return Result{}, true
}

// checkRedis asks whether the server can be reached and the user has the rights that a
// session needs.
func checkRedis(ctx context.Context, e *examination) Result {
	if result, applies := e.inRedis(); !applies {
		return result
	}
	client, shared, err := e.openRedis()
	if err != nil {
		return failureOf(err, "correct the settings store and session")
	}
	defer func() { _ = client.Close() }()
	return judgeRedis(client.Options().Addr, shared.Check(ctx))
}

func judgeRedis(addr string, err error) Result {
	switch {
	case err == nil:
		return ok("the server %s answers, accepts writes, and grants the rights that a session needs", addr)
	case redis.HasErrorPrefix(err, "NOPERM"):
		return failure(err.Error(), "grant the user the rights that the documentation of package redisstore lists")
	case redis.HasErrorPrefix(err, "NOAUTH"), redis.HasErrorPrefix(err, "WRONGPASS"), redis.HasErrorPrefix(err, "ERR AUTH"):
		return failure("the server "+addr+" does not accept the user and the password", "correct AGSAUTH_STORE or the setting store of the file")
	case redis.HasErrorPrefix(err, "OOM"):
		return failure("the memory of the server "+addr+" is full", "raise maxmemory, or free memory")
	}
	return failure(fmt.Sprintf("the session cannot be stored on %s: %v", addr, err), "check the address, whether the server runs, and whether it speaks TLS (rediss://)")
}

func checkRedisSettings(ctx context.Context, e *examination) Result {
	if result, applies := e.inRedis(); !applies {
		return result
	}
	client, _, err := e.openRedis()
	if err != nil {
		return skipped("there is no server")
	}
	defer func() { _ = client.Close() }()
	info, err := client.Info(ctx).Result()
	switch {
	case redis.HasErrorPrefix(err, "NOPERM"):
		return skipped("the user may not run INFO, which the session does not need")
	case err != nil:
		return skipped("the server does not answer")
	}
	return judgeRedisInfo(parseInfo(info))
}

// parseInfo parses the answer to INFO.
func parseInfo(text string) map[string]string {
	info := map[string]string{}
	for line := range strings.Lines(text) {
		if key, value, found := strings.Cut(strings.TrimSpace(line), ":"); found {
			info[key] = value
		}
	}
	return info
}

// judgeRedisInfo judges the version and the settings that may lose a session.
func judgeRedisInfo(info map[string]string) Result {
	version, valkey := "Redis "+info["redis_version"], info["valkey_version"]
	if valkey != "" {
		version = "Valkey " + valkey
	}
	policy := info["maxmemory_policy"]
	switch {
	case valkey == "" && isOlder(info["redis_version"], 6, 2):
		return failure(version+" is too old", "use Redis 6.2 or later, or Valkey")
	case strings.HasPrefix(policy, "allkeys-") && info["maxmemory"] != "0":
		return warning(fmt.Sprintf("%s may evict the session: its maxmemory-policy is %s", version, policy), "set maxmemory-policy to noeviction")
	case strings.HasPrefix(policy, "volatile-") && info["maxmemory"] != "0":
		return warning(fmt.Sprintf("%s may evict the lock of the session: its maxmemory-policy is %s", version, policy), "set maxmemory-policy to noeviction")
	case info["aof_enabled"] == "0":
		return warning(fmt.Sprintf("%s has appendonly off: a restart loses the newest tokens", version), "set appendonly to yes")
	}
	return ok("%s, appendonly is on, and no session is evicted", version)
}

// isOlder reports whether a version is known and lower than major.minor.
func isOlder(version string, major, minor int) bool {
	first, rest, _ := strings.Cut(version, ".")
	second, _, _ := strings.Cut(rest, ".")
	a, err := strconv.Atoi(first)
	b, err2 := strconv.Atoi(second)
	return err == nil && err2 == nil && (a < major || a == major && b < minor)
}

// checkRedisLock looks for the key of the lock. It does not take it.
func checkRedisLock(ctx context.Context, e *examination) Result {
	client, _, err := e.openRedis()
	if err != nil {
		return skipped("there is no server")
	}
	defer func() { _ = client.Close() }()
	held, err := isHeld(ctx, func(ctx context.Context) (bool, error) {
		n, err := client.Exists(ctx, "agsauth:{"+e.Settings.Session+"}:lock").Result()
		return n > 0, err
	})
	if err != nil {
		return skipped("the server does not answer")
	}
	return judgeLock(held, "")
}
