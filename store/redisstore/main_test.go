package redisstore_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"

	"github.com/agsauth/agsauth/internal/fleet"
	"github.com/agsauth/agsauth/store/redisstore"
	"github.com/agsauth/agsauth/store/redisstore/internal/redistest"
	"github.com/agsauth/agsauth/tokensource"
)

// The client logs what the tests do to its server.
func TestMain(m *testing.M) {
	logging.Disable()
	fleet.Main(m, openPlace)
}

// place is where the processes of a fleet find their session.
type place struct {
	Network, Addr string
	Lease         time.Duration
}

func placeAt(server *redistest.Server) place {
	return place{Network: server.Network, Addr: server.Addr}
}

// String returns what openPlace takes.
func (p place) String() string {
	text, err := json.Marshal(p)
	if err != nil {
		panic(err)
	}
	return string(text)
}

func openPlace(where string) (tokensource.Store, error) {
	var p place
	if err := json.Unmarshal([]byte(where), &p); err != nil {
		return nil, err
	}
	return redisstore.New(redisstore.Config{
		Client: redis.NewClient(&redis.Options{Network: p.Network, Addr: p.Addr}),
		Name:   "shared", Lease: p.Lease,
	})
}
