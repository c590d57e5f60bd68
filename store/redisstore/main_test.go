package redisstore_test

import (
	"encoding/json"
	"os"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"

	"github.com/agsauth/agsauth/internal/multiproc"
	"github.com/agsauth/agsauth/store/redisstore"
	"github.com/agsauth/agsauth/store/redisstore/internal/redistest"
	"github.com/agsauth/agsauth/tokensource"
)

// TestMain disables the logger of the client, since the tests cause many errors.
func TestMain(m *testing.M) {
	logging.Disable()
	if spec := os.Getenv(poolVariable); spec != "" {
		runPoolProcess(spec)
	}
	multiproc.Main(m, openStore)
}

// storeAddress is the address of the Store of a child process.
type storeAddress struct {
	Network, Addr string
	Lease         time.Duration
}

func addressOf(server *redistest.Server) storeAddress {
	return storeAddress{Network: server.Network, Addr: server.Addr}
}

// String returns the address for openStore.
func (p storeAddress) String() string {
	text, err := json.Marshal(p)
	if err != nil {
		panic(err)
	}
	return string(text)
}

func openStore(where string) (tokensource.Store, error) {
	var p storeAddress
	if err := json.Unmarshal([]byte(where), &p); err != nil {
		return nil, err
	}
	return redisstore.New(redisstore.Config{
		Client: redis.NewClient(&redis.Options{Network: p.Network, Addr: p.Addr}),
		Name:   "shared", Lease: p.Lease,
	})
}
