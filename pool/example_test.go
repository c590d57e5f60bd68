package pool_test

import (
	"context"
	"fmt"
	"log"
	"slices"
	"time"

	"github.com/agsauth/agsauth/ags"
	"github.com/agsauth/agsauth/clock"
	"github.com/agsauth/agsauth/pool"
	"github.com/agsauth/agsauth/store"
	"github.com/agsauth/agsauth/tokensource"
)

// refreshing is a Refresher: in a program, an *ags.Client.
type refreshing struct{ clock *clock.Fake }

func (r refreshing) Refresh(_ context.Context, t *ags.Token) (*ags.Token, error) {
	next := *t
	next.AccessToken = ags.NewSecret(t.AccessToken.Reveal() + ", refreshed")
	next.IssuedAt, next.ExpiresAt = r.clock.Now(), r.clock.Now().Add(time.Hour)
	return &next, nil
}

// Two subscribers sign on. After a restart their sessions go on.
func Example() {
	ctx := context.Background()
	fake := clock.NewFake(time.Date(2022, 6, 10, 15, 0, 0, 0, time.UTC))
	records := map[string]*store.Memory{"ada": {}, "bob": {}} // in a program, a redisstore.Family
	config := pool.Config{
		Refresher: refreshing{fake},
		Gate:      tokensource.NewGate(tokensource.GateConfig{PerSecond: 200, Concurrent: 64, Clock: fake}),
		Store:     func(key string) tokensource.Store { return records[key].Peer() },
		Clock:     fake,
	}
	before, err := pool.New(config)
	if err != nil {
		log.Fatal(err)
	}
	for _, key := range []string{"ada", "bob"} {
		signedOn := &ags.Token{
			AccessToken: ags.NewSecret("token of " + key), RefreshToken: ags.NewSecret("its refresh token"),
			IssuedAt: fake.Now(), ExpiresAt: fake.Now().Add(time.Hour),
		}
		if err := before.Session(key).SetToken(ctx, signedOn); err != nil {
			log.Fatal(err)
		}
	}
	if err := before.Drain(ctx); err != nil {
		log.Fatal(err)
	}

	sessions, err := pool.New(config)
	if err != nil {
		log.Fatal(err)
	}
	if err := sessions.Warm(ctx, slices.Values([]string{"ada", "bob"})); err != nil {
		log.Fatal(err)
	}
	fmt.Println(sessions.Status().Fresh, "sessions are fresh")
	fake.Advance(2 * time.Hour)
	token, err := sessions.Session("ada").TokenContext(ctx)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(token.AccessToken)
	if err := sessions.Drain(ctx); err != nil {
		log.Fatal(err)
	}
	// Output:
	// 2 sessions are fresh
	// token of ada, refreshed
}

// One HTTP client for all sessions takes the key from the context of the request.
func ExamplePool_Keyed() {
	fake := clock.NewFake(time.Date(2022, 6, 10, 15, 0, 0, 0, time.UTC))
	sessions, err := pool.New(pool.Config{Refresher: refreshing{fake}, Clock: fake})
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	for _, key := range []string{"ada", "bob"} {
		signedOn := &ags.Token{AccessToken: ags.NewSecret("token of " + key), IssuedAt: fake.Now(), ExpiresAt: fake.Now().Add(time.Hour)}
		if err := sessions.Session(key).SetToken(ctx, signedOn); err != nil {
			log.Fatal(err)
		}
	}
	source := sessions.Keyed() // the Source of a transport.Transport
	for _, key := range []string{"ada", "bob"} {
		token, err := source.TokenContext(pool.WithKey(ctx, key))
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(token.AccessToken)
	}
	_, err = source.TokenContext(ctx)
	fmt.Println(err)
	// Output:
	// token of ada
	// token of bob
	// pool: the context has no key
}
