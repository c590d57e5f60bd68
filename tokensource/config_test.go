package tokensource_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/ags"
	"github.com/agsauth/agsauth/clock"
	"github.com/agsauth/agsauth/tokensource"
)

func TestNew_RejectsAnInvalidConfig(t *testing.T) {
	gw := newGateway(clock.NewFake(start))
	good := tokensource.Config{Refresher: gw}
	for name, spoil := range map[string]func(*tokensource.Config){
		"Refresher":           func(c *tokensource.Config) { c.Refresher = nil },
		"RefreshBefore":       func(c *tokensource.Config) { c.RefreshBefore = -1 },
		"RefreshTimeout":      func(c *tokensource.Config) { c.RefreshTimeout = -1 },
		"LockTimeout":         func(c *tokensource.Config) { c.LockTimeout = -1 },
		"StoreTimeout":        func(c *tokensource.Config) { c.StoreTimeout = -1 },
		"WarnBefore":          func(c *tokensource.Config) { c.WarnBefore = -1 },
		"Token has no access": func(c *tokensource.Config) { c.Token = &ags.Token{RefreshToken: ags.NewSecret("r")} },
	} {
		c := good
		spoil(&c)
		_, err := tokensource.New(c)
		assert.ErrorContains(t, err, name)
	}
	src, err := tokensource.New(good)
	require.NoError(t, err, "only a Refresher is required")
	require.NoError(t, src.Close())
}
