package redisstore_test

import (
	"strconv"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/agsauth/agsauth/store/redisstore/internal/redistest"
	"github.com/agsauth/agsauth/store/storetest"
)

// testConformance runs the conformance tests, each with a session of its own.
func testConformance(t *testing.T, client redis.UniversalClient) {
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
	testConformance(t, redistest.Start(t).Client())
}

// Some proxies support only RESP2.
func TestStore_ConformanceWithRESP2(t *testing.T) {
	server := redistest.Start(t)
	options := server.Options()
	options.Protocol = 2
	testConformance(t, server.ClientWith(options))
}

func TestStore_ConformanceOnACluster(t *testing.T) {
	server := redistest.StartCluster(t)
	client := clusterClient(t, server, "")
	testConformance(t, client)
}
