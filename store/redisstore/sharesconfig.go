package redisstore

import (
	"fmt"
	"math"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/agsauth/agsauth/clock"
)

// SharesConfig is the configuration of [Shares]. Client, Name, Set, and PerSecond or
// Concurrent are required; the zero values of all other fields are the defaults. All
// processes that share a gateway should have the same Prefix, Name, PerSecond, Concurrent
// and Interval. While they have different limits, as during a deployment, the sum of the
// shares is at most the largest.
type SharesConfig struct {
	// Client is the connection to Redis or Valkey. See [Config].
	Client redis.UniversalClient
	// Prefix is the beginning of the key. Empty means "agsauth:".
	Prefix string
	// Name identifies the gateway: all Shares with the same Prefix and Name share its
	// limits. It is between 1 and 512 bytes long and contains no braces.
	Name string
	// PerSecond is how many calls of the gateway all processes together start in a second
	// at most. Zero means no limit.
	PerSecond float64
	// Concurrent is how many calls all processes together have under way at most. Each
	// process may have at least one, so with more processes than that the sum is larger.
	// Zero means no limit.
	Concurrent int
	// Set sets the limits of this process. The method SetLimits of a tokensource.Gate
	// fits. It is called by [NewShares] and by [Shares.Run], not concurrently.
	//
	// A Gate takes zero for no limit, so the share of a limit is never zero. While the
	// process has no share, Set gets a rate of one call in thirty years, and one
	// concurrent call. A new Gate starts one call with that.
	Set func(perSecond float64, concurrent int)

	// Interval is how often a process tells the others that it is alive. A process that
	// has told nothing for three intervals loses its share to the others. Zero means 2
	// seconds; other values are between 100 ms and one hour.
	Interval time.Duration
	// Expected is the largest number of processes that is expected. A process that has
	// not reached the server since its start takes this part of the limits after three
	// intervals. Zero means 10.
	Expected int

	// Clock provides the timers. Nil means the system clock. Whether a process is alive is
	// decided with the clock of the server.
	Clock clock.Clock
	// Rand returns a random number in [0,1). It is not called concurrently. Nil means
	// math/rand/v2. It only spreads the calls.
	Rand func() float64
}

const (
	defaultInterval = 2 * time.Second
	minInterval     = 100 * time.Millisecond
	maxInterval     = time.Hour
	defaultExpected = 10
)

// check returns what is wrong with the configuration.
func (c *SharesConfig) check() error {
	family := c.family()
	if err := family.check("SharesConfig"); err != nil {
		return err
	}
	if err := checkName(c.Name); err != nil {
		return fmt.Errorf("redisstore: SharesConfig.Name %w", err)
	}
	wrong := ""
	switch {
	case !(c.PerSecond >= 0) || math.IsInf(c.PerSecond, 1):
		wrong = "PerSecond is negative or not a number"
	case c.Concurrent < 0:
		wrong = "Concurrent is negative"
	case c.PerSecond == 0 && c.Concurrent == 0:
		wrong = "PerSecond and Concurrent are zero: there is nothing to share"
	case c.Set == nil:
		wrong = "Set is nil"
	case c.Interval != 0 && (c.Interval < minInterval || c.Interval > maxInterval):
		wrong = fmt.Sprintf("Interval is not between %v and %v", minInterval, maxInterval)
	case c.Expected < 0:
		wrong = "Expected is negative"
	default:
		return nil
	}
	return fmt.Errorf("redisstore: SharesConfig.%s", wrong)
}

// family returns the settings that Shares have in common with Stores.
func (c *SharesConfig) family() FamilyConfig {
	return FamilyConfig{Client: c.Client, Prefix: c.Prefix, Clock: c.Clock, Rand: c.Rand}
}
