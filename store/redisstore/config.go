package redisstore

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/agsauth/agsauth/clock"
)

// Config is the configuration of a [Store]. Client and Name are required; the zero
// values of all other fields are the defaults.
//
// The options of a client contain the password. fmt does not print them, but printers
// that follow pointers do, such as testify when it compares two Configs. A [Store] shows
// nothing of its client to either.
type Config struct {
	// Client is the connection to Redis or Valkey: a [*redis.Client], with or without
	// Sentinel, or a [*redis.ClusterClient]. It may be shared with other parts of the
	// program. The Store does not close it. A [*redis.Ring] is refused: if one of its
	// servers cannot be reached, it uses another one, which has neither the record nor
	// the lock.
	//
	// The timeouts and retries of the client limit how long a command may run after
	// the context of its method has ended.
	Client redis.UniversalClient
	// Name identifies the session: all Stores with the same Prefix and Name share it.
	// It is between 1 and 512 bytes long and contains no braces.
	Name string
	// Prefix is the beginning of each key and channel. Empty means "agsauth:". It is
	// at most 512 bytes long and contains no braces.
	Prefix string

	// Lease is how long the lock stays taken after its holder died or lost its
	// connection. The holder renews it after a third of that time. Zero means 24
	// seconds; other values are between 100 ms and 24 hours, in whole milliseconds.
	//
	// A holder that loses its connection has two thirds of the lease left. They should
	// be longer than the RefreshTimeout of tokensource.Config, or another process may refresh at the same time. The lease
	// should be shorter than the LockTimeout of tokensource.Config, after which a
	// waiting process continues without the lock. The default fits the defaults of
	// both, 15 and 30 seconds.
	Lease time.Duration
	// PollInterval is how often Lock tries to take a lock that is held, if it receives
	// no notifications of releases: the user may not subscribe, or the subscription
	// was lost. With a subscription Lock polls ten times less often, in case a
	// notification is lost. Each interval varies at random by up to a quarter. Zero
	// means one second; other values are between 10 ms and 24 hours.
	PollInterval time.Duration

	// Clock provides the timers of waits and renewals. Nil means the system clock. The
	// lease itself is measured by the server.
	Clock clock.Clock
	// Rand returns a random number in [0,1). It is not called concurrently. Nil means
	// math/rand/v2. It only spreads waiting processes; nothing depends on its being
	// hard to guess.
	Rand func() float64
}

const (
	defaultPrefix = "agsauth:"
	defaultLease  = 24 * time.Second // see Config.Lease
	defaultPoll   = time.Second
	minLease      = 100 * time.Millisecond
	minPoll       = 10 * time.Millisecond
	maxDuration   = 24 * time.Hour // of either
	maxName       = 512
)

// FamilyConfig is the configuration of a [Family]. Client is required; the zero values of
// all other fields are the defaults. What [Config] says of a field holds here too, and so
// does what it says of printing.
type FamilyConfig struct {
	// Client is the connection to Redis or Valkey. While Locks wait, the Family uses
	// one more connection, for notifications of releases.
	Client redis.UniversalClient
	// Prefix is the beginning of each key and channel. Empty means "agsauth:".
	Prefix string
	// Lease is how long a lock stays taken after its holder died. Zero means 24 seconds.
	Lease time.Duration
	// PollInterval is how often Lock tries to take a lock that is held, if it receives
	// no notifications. Zero means one second. After the subscription was lost, the
	// Family subscribes again after this time, and after up to 64 times it while that
	// fails.
	PollInterval time.Duration
	// Clock provides the timers of waits and renewals. Nil means the system clock.
	Clock clock.Clock
	// Rand returns a random number in [0,1). It is not called concurrently. Nil means
	// math/rand/v2.
	Rand func() float64
}

// family returns the part of the Config that Stores of a Family share.
func (c *Config) family() FamilyConfig {
	return FamilyConfig{
		Client: c.Client, Prefix: c.Prefix, Lease: c.Lease, PollInterval: c.PollInterval, Clock: c.Clock, Rand: c.Rand,
	}
}

// check returns what is wrong with the configuration. of is its type, for the error.
func (c *FamilyConfig) check(of string) error {
	_, isRing := c.Client.(*redis.Ring)
	switch {
	case c.Client == nil:
		return fmt.Errorf("redisstore: %s.Client is nil", of)
	case isRing:
		return fmt.Errorf("redisstore: %s.Client is a Ring, which moves keys when a server is away", of)
	case c.Lease != 0 && (c.Lease < minLease || c.Lease > maxDuration):
		return fmt.Errorf("redisstore: %s.Lease is not between %v and %v", of, minLease, maxDuration)
	case c.PollInterval != 0 && (c.PollInterval < minPoll || c.PollInterval > maxDuration):
		return fmt.Errorf("redisstore: %s.PollInterval is not between %v and %v", of, minPoll, maxDuration)
	}
	if err := checkPart(c.Prefix); err != nil {
		return fmt.Errorf("redisstore: %s.Prefix %w", of, err)
	}
	return nil
}

// checkName returns what is wrong with the name of a session.
func checkName(name string) error {
	if name == "" {
		return errEmpty
	}
	return checkPart(name)
}

// checkPart checks a part of a key that comes from the caller. The hash tag of a key is
// the text between its first braces.
func checkPart(part string) error {
	switch {
	case strings.ContainsAny(part, "{}"):
		return errBraces
	case len(part) > maxName:
		return errLong
	default:
		return nil
	}
}

// setDefaults replaces zero values by the defaults.
func (c *FamilyConfig) setDefaults() {
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
