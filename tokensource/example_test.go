package tokensource_test

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/agsauth/agsauth/ags"
	"github.com/agsauth/agsauth/clock"
	"github.com/agsauth/agsauth/store"
	"github.com/agsauth/agsauth/tokensource"
)

// refreshing is a Refresher: in a program, an *ags.Client.
type refreshing struct{ clock *clock.Fake }

func (r refreshing) Refresh(_ context.Context, t *ags.Token) (*ags.Token, error) {
	now := r.clock.Now()
	next := *t
	next.AccessToken, next.RefreshToken = ags.NewSecret("another"), ags.NewSecret("and its refresh token")
	next.IssuedAt, next.ExpiresAt = now, now.Add(time.Hour)
	return &next, nil
}

func ExampleSource() {
	fake := clock.NewFake(time.Date(2022, 6, 10, 15, 0, 0, 0, time.UTC))
	session, err := tokensource.New(tokensource.Config{
		Refresher: refreshing{fake},
		Token: &ags.Token{ // from a sign-on
			AccessToken: ags.NewSecret("one"), RefreshToken: ags.NewSecret("its refresh token"),
			IssuedAt: fake.Now(), ExpiresAt: fake.Now().Add(time.Hour), FixedExpiresAt: fake.Now().Add(10 * time.Hour),
		},
		Clock: fake,
	})
	if err != nil {
		log.Fatal(err)
	}
	defer session.Close()

	for range 3 {
		token, err := session.TokenContext(context.Background())
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(token.AccessToken, session.Status().Phase)
		fake.Advance(4 * time.Hour)
	}
	_, err = session.TokenContext(context.Background())
	fmt.Println(err)
	// Output:
	// one fresh
	// another fresh
	// another fresh
	// tokensource: login required: fixed horizon passed at 2022-06-11T01:00:00Z
}

// A job that cannot replace its token asks for one that is valid until the job is done.
func ExampleSource_TokenValidFor() {
	fake := clock.NewFake(time.Date(2022, 6, 10, 15, 0, 0, 0, time.UTC))
	session, err := tokensource.New(tokensource.Config{
		Refresher: refreshing{fake},
		Token: &ags.Token{ // from a sign-on
			AccessToken: ags.NewSecret("one"), RefreshToken: ags.NewSecret("its refresh token"),
			IssuedAt: fake.Now(), ExpiresAt: fake.Now().Add(time.Hour),
		},
		Clock: fake,
	})
	if err != nil {
		log.Fatal(err)
	}
	defer session.Close()

	fake.Advance(40 * time.Minute)
	for _, d := range []time.Duration{10 * time.Minute, 30 * time.Minute, 2 * time.Hour} {
		token, err := session.TokenValidFor(context.Background(), d)
		if err != nil {
			fmt.Println(err)
			continue
		}
		fmt.Println(token.AccessToken, "until", token.Expiry.Format(time.TimeOnly))
	}
	// Output:
	// one until 16:00:00
	// another until 16:40:00
	// tokensource: no token is valid for 2h0m0s: ask for 59m49s or less, for which a new token can be had
}

// A session that is stored is found again by the next process.
func ExampleSource_restart() {
	fake := clock.NewFake(time.Date(2022, 6, 10, 15, 0, 0, 0, time.UTC))
	disk := &store.Memory{} // in a program, a store.File
	first, err := tokensource.New(tokensource.Config{
		Refresher: refreshing{fake},
		Token:     &ags.Token{AccessToken: ags.NewSecret("one"), IssuedAt: fake.Now()},
		Store:     disk, Clock: fake,
	})
	if err != nil {
		log.Fatal(err)
	}
	if _, err := first.Token(); err != nil { // saves the token of the Config
		log.Fatal(err)
	}
	first.Close()

	second, err := tokensource.New(tokensource.Config{Refresher: refreshing{fake}, Store: disk.Peer(), Clock: fake})
	if err != nil {
		log.Fatal(err)
	}
	defer second.Close()
	token, err := second.Token()
	fmt.Println(token.AccessToken, err)
	// Output: one <nil>
}
