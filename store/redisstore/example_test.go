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

// Two hosts share a session: the first one logs in, and the second one loads the session.
// It needs a server at REDIS_ADDR, so the tests only compile it.
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
			fmt.Println(host, "logs in")
			return s.Save(ctx, []byte("session of "+host))
		}
		fmt.Println(host, "loads", string(record))
		return err
	}
	if err := errors.Join(once("host-1"), once("host-2")); err != nil {
		fmt.Println(err)
	}
}
