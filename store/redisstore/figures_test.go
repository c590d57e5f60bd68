package redisstore_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/ags"
	"github.com/agsauth/agsauth/agstest"
	"github.com/agsauth/agsauth/clock"
	"github.com/agsauth/agsauth/internal/fleet"
	"github.com/agsauth/agsauth/store/redisstore/internal/redistest"
	"github.com/agsauth/agsauth/tokensource"
)

// crowd is sources of one session, each with a store of its own on one server, on
// a clock that jumps.
type crowd struct {
	server  *redistest.Server
	srv     *agstest.Server
	fake    *clock.Fake
	sources []*tokensource.Source
}

func newCrowd(t *testing.T, n int) *crowd {
	t.Helper()
	c := &crowd{server: redistest.Start(t), fake: clock.NewFake(time.Date(2022, 6, 10, 15, 4, 53, 0, time.UTC))}
	c.srv = agstest.NewServer(agstest.Config{Clock: c.fake, FixedLifetime: 10 * 365 * 24 * time.Hour})
	t.Cleanup(c.srv.Close)
	gateway, err := ags.New(ags.Config{
		BaseURL: c.srv.URL, AuthServiceID: "Customer Auth Service", TenantID: "nagra",
		HTTPClient: c.srv.Client(), Clock: c.fake,
	})
	require.NoError(t, err)
	client := c.server.Client()
	login := tokensource.SignOnWith(gateway, ags.SignOnRequest{
		Parameters: []ags.Parameter{
			{Name: "username", Value: agstest.DefaultUsername}, {Name: "password", Value: agstest.DefaultPassword},
		},
		DeviceInformation: json.RawMessage(`{"deviceType":"STB"}`),
	})
	for range n {
		s, err := tokensource.New(tokensource.Config{
			Refresher: gateway, Login: login, Store: open(t, client, "shared"), Clock: c.fake,
		})
		require.NoError(t, err)
		t.Cleanup(func() { _ = s.Close() })
		c.sources = append(c.sources, s)
	}
	return c
}

// ask has all sources asked at once, and returns how long each took.
func (c *crowd) ask(t *testing.T) []time.Duration {
	t.Helper()
	took := make([]time.Duration, len(c.sources))
	var wg sync.WaitGroup
	for i, s := range c.sources {
		wg.Go(func() {
			begin := time.Now()
			_, err := s.TokenContext(t.Context())
			took[i] = time.Since(begin)
			assert.NoError(t, err)
		})
	}
	wg.Wait()
	return took
}

// commands is how many commands the server was given since ResetCalls: those that
// clients sent, not those that scripts called.
func (c *crowd) commands() int {
	calls := c.server.Calls()
	return calls["evalsha"] + calls["eval"] + calls["subscribe"] + calls["unsubscribe"]
}

// However many sources find the token dead at one moment, the gateway is asked
// once, and the server a handful of times by each.
func TestFigures_OneRefreshForAll(t *testing.T) {
	const lifetimes = 20
	for _, n := range []int{1, 8, 64} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			if n > 8 {
				fleet.OptIn(t) // it takes long
			}
			c := newCrowd(t, n)
			c.ask(t)
			require.Equal(t, 1, c.srv.Count(agstest.SignOn))
			c.server.ResetCalls()
			var waits []time.Duration
			for range lifetimes {
				c.fake.Advance(time.Hour)
				waits = append(waits, c.ask(t)...)
			}
			assert.Equal(t, lifetimes, c.srv.Count(agstest.Refresh))
			assert.Zero(t, c.srv.Stats().Reuses)
			each := float64(c.commands()) / lifetimes / float64(n)
			assert.Less(t, each, 12.0)
			slices.Sort(waits)
			t.Logf("%d sources: 1 call of the gateway a lifetime, %.1f commands a source and lifetime, a wait of %v (median), %v (longest)",
				n, each, waits[len(waits)/2].Round(10*time.Microsecond), waits[len(waits)-1].Round(10*time.Microsecond))
		})
	}
}
