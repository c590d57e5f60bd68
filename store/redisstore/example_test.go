package redisstore_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/redis/go-redis/v9"

	"github.com/agsauth/agsauth/store/redisstore"
)

// Two hosts that share a session. It is not run with the tests: it needs a server
// at REDIS_ADDR.
func Example() {
	ctx := context.Background()
	client := redis.NewClient(&redis.Options{Addr: os.Getenv("REDIS_ADDR")})
	defer client.Close()
	once := func(host string) error {
		s, err := redisstore.New(redisstore.Config{Client: client, Name: "customer-1"})
		if err != nil {
			return err
		}
		unlock, err := s.Lock(ctx)
		if err != nil {
			return err
		}
		defer unlock()
		record, err := s.Load(ctx)
		if errors.Is(err, fs.ErrNotExist) {
			fmt.Println(host, "does it")
			return s.Save(ctx, []byte("done by "+host))
		}
		fmt.Println(host, "finds it", string(record))
		return err
	}
	if err := errors.Join(once("host-1"), once("host-2")); err != nil {
		fmt.Println(err)
	}
}
