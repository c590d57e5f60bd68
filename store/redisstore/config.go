package redisstore

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/agsauth/agsauth/clock"
)

// Config says where a session is kept. Client and Name are required; the zero
// values of all else are the defaults.
//
// A client keeps its options, and the password with them, in its own fields. fmt
// does not print them, but what follows pointers does, such as testify when it
// compares two Configs. A [Store] shows nothing of its client to either.
type Config struct {
	// Client is the connection to Redis or Valkey: a [*redis.Client], also one of
	// Sentinel's, or a [*redis.ClusterClient]. It may be shared with whatever else
	// the program does, and is not closed by the Store. A [*redis.Ring] is refused:
	// while one of its servers cannot be reached it looks for the session on
	// another, which has neither the record nor the lock.
	//
	// Its timeouts and retries bound what a method of the Store leaves behind when
	// its context ends first.
	Client redis.UniversalClient
	// Name tells one session from another: all who give the same share it. It is
	// between 1 and 512 bytes, without braces.
	Name string
	// Prefix begins each key and channel. Empty means "agsauth:". It has 512 bytes
	// at most, and no braces.
	Prefix string

	// Lease is how long the lock outlives a holder that died, or that Redis cannot
	// hear any more. It is renewed when a third of it has passed. Zero means 24
	// seconds; it is between 100 ms and 24 hours, in whole milliseconds.
	//
	// A holder that has just lost its way to Redis has two thirds of it left: they
	// should last for a refresh, tokensource.Config.RefreshTimeout, or another may
	// begin one beside it. And all of it should be less than LockTimeout of there,
	// after which one that waits goes on without the lock. The default is made for
	// the 15 and 30 seconds that are the defaults of those.
	Lease time.Duration
	// PollInterval is how often one that waits for the lock looks whether it is
	// free when Redis cannot tell it: when it may not subscribe, or the
	// subscription was lost. One that is subscribed looks a tenth as often, in
	// case a message is lost. A quarter is added or taken away at random. Zero
	// means one second; it is between 10 ms and 24 hours.
	PollInterval time.Duration

	// Clock makes the timers of waits and renewals. Nil is the system's. What a
	// lease lasts is measured by Redis itself.
	Clock clock.Clock
	// Rand returns a number from [0,1), and is called by one goroutine at a time.
	// Nil is math/rand/v2. It spreads those who wait, and decides nothing that must
	// not be guessed.
	Rand func() float64
}

const (
	defaultPrefix = "agsauth:"
	// Two thirds of it are more than the 15 seconds of a refresh, and all of it is
	// less than the 30 seconds after which nobody waits any more.
	defaultLease = 24 * time.Second
	defaultPoll  = time.Second
	leastLease   = 100 * time.Millisecond
	leastPoll    = 10 * time.Millisecond
	longest      = 24 * time.Hour // of either
	maxName      = 512
)

// check returns what is wrong with the Config.
func (c *Config) check() error {
	_, isRing := c.Client.(*redis.Ring)
	switch {
	case c.Client == nil:
		return errors.New("redisstore: Config.Client is nil")
	case isRing:
		return errors.New("redisstore: Config.Client is a Ring, which moves keys when a server is away")
	case c.Name == "":
		return errors.New("redisstore: Config.Name is empty")
	case c.Lease != 0 && (c.Lease < leastLease || c.Lease > longest):
		return fmt.Errorf("redisstore: Config.Lease is not between %v and %v", leastLease, longest)
	case c.PollInterval != 0 && (c.PollInterval < leastPoll || c.PollInterval > longest):
		return fmt.Errorf("redisstore: Config.PollInterval is not between %v and %v", leastPoll, longest)
	}
	for _, part := range []struct{ field, value string }{{"Name", c.Name}, {"Prefix", c.Prefix}} {
		// The hash tag is what stands between the first braces of a key.
		if strings.ContainsAny(part.value, "{}") {
			return errors.New("redisstore: Config." + part.field + " has braces")
		}
		if len(part.value) > maxName {
			return fmt.Errorf("redisstore: Config.%s is longer than %d bytes", part.field, maxName)
		}
	}
	return nil
}

// fill puts the defaults in the place of zero values.
func (c *Config) fill() {
	if c.Prefix == "" {
		c.Prefix = defaultPrefix
	}
	if c.Lease == 0 {
		c.Lease = defaultLease
	}
	if c.PollInterval == 0 {
		c.PollInterval = defaultPoll
	}
	if c.Clock == nil {
		c.Clock = clock.Real{}
	}
	if c.Rand == nil {
		c.Rand = rand.Float64
	}
}

// names are the keys and the channel of one session. Of one hash tag, a cluster
// keeps them on one node.
type names struct {
	record   string // a hash of version and data
	lock     string // the token of who holds the lock, there for as long as it is held
	released string // the token of who held it last, for a while
	aside    string // begins the names of what was set aside
	channel  string // on which a release is told
}

func (c *Config) names() names {
	base := c.Prefix + "{" + c.Name + "}:"
	return names{
		record: base + "record", lock: base + "lock", released: base + "released",
		aside: base + "aside:", channel: base + "unlocked",
	}
}
