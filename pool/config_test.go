package pool_test

import (
	"context"
	"iter"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/pool"
	"github.com/agsauth/agsauth/tokensource"
)

func TestNew_BadConfig(t *testing.T) {
	for want, edit := range map[string]func(*pool.Config){
		"pool: Config.Refresher is nil":                                                        func(c *pool.Config) { c.Refresher = nil },
		"pool: Config.KeepAlive is not one of the constants":                                   func(c *pool.Config) { c.KeepAlive = 9 },
		"pool: Config.IdleAfter is negative":                                                   func(c *pool.Config) { c.IdleAfter = -1 },
		"pool: Config.MaxResident is negative":                                                 func(c *pool.Config) { c.MaxResident = -1 },
		"pool: Config.MaxResident needs a Store, because memory has the only copy without one": func(c *pool.Config) { c.MaxResident = 1 },
		"pool: Config.LoadAll needs a Store": func(c *pool.Config) {
			c.LoadAll = func(context.Context, iter.Seq[string]) iter.Seq2[pool.Loaded, error] { return nil }
		},
		"pool: tokensource: Config.RefreshBefore is negative":                              func(c *pool.Config) { c.RefreshBefore = -time.Second },
		"pool: tokensource: Config.Gate: GateConfig.PerSecond is negative or not a number": func(c *pool.Config) { c.Gate = tokensource.NewGate(tokensource.GateConfig{PerSecond: -1}) },
	} {
		cfg := pool.Config{Refresher: newGateway()}
		edit(&cfg)
		p, err := pool.New(cfg)
		assert.Nil(t, p)
		var bad *pool.ConfigError
		require.ErrorAs(t, err, &bad)
		assert.EqualError(t, err, want)
	}
}

func TestKeepAlive_String(t *testing.T) {
	assert.Equal(t, []string{"sessions", "tokens", "on demand", "invalid"},
		[]string{pool.Sessions.String(), pool.Tokens.String(), pool.OnDemand.String(), pool.KeepAlive(9).String()})
}
