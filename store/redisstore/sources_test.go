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
	"github.com/agsauth/agsauth/internal/multiproc"
	"github.com/agsauth/agsauth/store/redisstore/internal/redistest"
	"github.com/agsauth/agsauth/tokensource"
)

// signOnAt returns a LoginFunc that signs on as the default user of agstest.
func signOnAt(gateway *ags.Client) tokensource.LoginFunc {
	return tokensource.SignOnWith(gateway, ags.SignOnRequest{
		Parameters: []ags.Parameter{
			{Name: "username", Value: agstest.DefaultUsername}, {Name: "password", Value: agstest.DefaultPassword},
		},
		DeviceInformation: json.RawMessage(`{"deviceType":"STB"}`),
	})
}

// A sourceGroup is a group of Sources of one session, each with its own Store, on a fake
// clock.
type sourceGroup struct {
	server  *redistest.Server
	srv     *agstest.Server
	fake    *clock.Fake
	sources []*tokensource.Source
}

func newSourceGroup(t *testing.T, n int) *sourceGroup {
	t.Helper()
	c := &sourceGroup{server: redistest.Start(t), fake: clock.NewFake(time.Date(2022, 6, 10, 15, 4, 53, 0, time.UTC))}
	c.srv = agstest.NewServer(agstest.Config{Clock: c.fake, FixedLifetime: 10 * 365 * 24 * time.Hour})
	t.Cleanup(c.srv.Close)
	gateway, err := ags.New(ags.Config{
		BaseURL: c.srv.URL, AuthServiceID: "Customer Auth Service", TenantID: "nagra",
		HTTPClient: c.srv.Client(), Clock: c.fake,
	})
	require.NoError(t, err)
	client := c.server.Client()
	login := signOnAt(gateway)
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

// tokens asks all Sources for a token concurrently, and returns the duration of each call.
func (c *sourceGroup) tokens(t *testing.T) []time.Duration {
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

// commands returns how many commands clients have sent since ResetCalls, without those
// that scripts called.
func (c *sourceGroup) commands() int {
	calls := c.server.Calls()
	return calls["evalsha"] + calls["eval"] + calls["subscribe"] + calls["unsubscribe"]
}

// However many Sources need a new token at once, there is one refresh, and few commands
// for each Source.
func TestSources_OneRefreshForAll(t *testing.T) {
	const lifetimes = 20
	for _, n := range []int{1, 8, 64} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			if n > 8 {
				multiproc.OptIn(t) // slow
			}
			c := newSourceGroup(t, n)
			c.tokens(t)
			require.Equal(t, 1, c.srv.Count(agstest.SignOn))
			c.server.ResetCalls()
			var waits []time.Duration
			for range lifetimes {
				c.fake.Advance(time.Hour)
				waits = append(waits, c.tokens(t)...)
			}
			assert.Equal(t, lifetimes, c.srv.Count(agstest.Refresh))
			assert.Zero(t, c.srv.Stats().Reuses)
			methods := float64(c.commands()) / lifetimes / float64(n)
			assert.Less(t, methods, 12.0)
			slices.Sort(waits)
			t.Logf("%d sources: 1 refresh and %.1f commands of each source per lifetime, a wait of %v (median), %v (longest)",
				n, methods, waits[len(waits)/2].Round(10*time.Microsecond), waits[len(waits)-1].Round(10*time.Microsecond))
		})
	}
}
