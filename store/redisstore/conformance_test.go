package redisstore_test

import (
	"strconv"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/agsauth/agsauth/store/redisstore/internal/redistest"
	"github.com/agsauth/agsauth/store/storetest"
)

// conforms runs the suite of all stores, each check with a session of its own.
func conforms(t *testing.T, client redis.UniversalClient) {
	t.Helper()
	sessions := 0
	storetest.Run(t, func(tb testing.TB) storetest.Opener {
		tb.Helper()
		sessions++
		name := "session " + strconv.Itoa(sessions)
		return func() storetest.Store { return open(tb, client, name) }
	})
}

func TestStore_Conformance(t *testing.T) {
	conforms(t, redistest.Start(t).Client())
}

// With RESP2, as some proxies have it.
func TestStore_ConformanceOfTheOldProtocol(t *testing.T) {
	server := redistest.Start(t)
	options := server.Options()
	options.Protocol = 2
	conforms(t, server.ClientWith(options))
}

func TestStore_ConformanceOnACluster(t *testing.T) {
	server := redistest.StartCluster(t)
	client := redis.NewClusterClient(&redis.ClusterOptions{Addrs: []string{server.Addr}})
	t.Cleanup(func() { _ = client.Close() })
	conforms(t, client)
}
