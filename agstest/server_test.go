package agstest_test

import (
	"context"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/agstest"
	"github.com/agsauth/agsauth/clock"
)

func TestServer_ListensOnLoopback(t *testing.T) {
	srv, _ := startServer(t, agstest.Config{})
	u, err := url.Parse(srv.URL)
	require.NoError(t, err)
	assert.Equal(t, "http", u.Scheme)
	assert.True(t, net.ParseIP(u.Hostname()).IsLoopback())
	assert.NotEmpty(t, u.Port())
	assert.Empty(t, u.Path)
	r := send(t.Context(), srv, http.MethodGet, "/ags/servicediscovery", "")
	assert.Equal(t, http.StatusOK, r.status)
	assert.Equal(t, 1, srv.Count(agstest.Discovery))
}

// get requests a path that does not exist, and returns the host that the server saw.
func get(t *testing.T, client *http.Client, srv *agstest.Server, base string) string {
	t.Helper()
	rq, err := http.NewRequestWithContext(t.Context(), http.MethodGet, base+"/", nil)
	require.NoError(t, err)
	rs, err := client.Do(rq)
	require.NoError(t, err)
	require.NoError(t, rs.Body.Close())
	requests := srv.Requests(agstest.Other)
	require.NotEmpty(t, requests)
	return requests[len(requests)-1].Host
}

func TestClient_InMemoryConnectsEveryHostToTheServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := startInMemory(t, agstest.Config{})
		assert.Equal(t, "http://localhost", srv.URL)
		hosts := []string{"localhost", "127.0.0.1", "127.0.0.1:8080", "[::1]", "[::1]:443", "stranger.example"}
		for _, host := range hosts {
			assert.Equal(t, host, get(t, srv.Client(), srv, "http://"+host))
		}
		assert.Equal(t, len(hosts), srv.Count(agstest.Other))
	})
}

func TestClient_OnLoopbackConnectsOtherHostsToTheServer(t *testing.T) {
	one, _ := startServer(t, agstest.Config{})
	two, _ := startServer(t, agstest.Config{})
	client := one.Client()
	assert.Equal(t, "stranger.example:81", get(t, client, one, "http://stranger.example:81"))
	assert.Equal(t, "192.0.2.1", get(t, client, one, "http://192.0.2.1"))
	assert.Equal(t, 2, one.Count(agstest.Other))

	get(t, client, two, two.URL)
	get(t, client, two, strings.Replace(two.URL, "127.0.0.1", "localhost", 1))
	assert.Equal(t, 2, one.Count(agstest.Other), "the first client also reaches other servers")
	assert.Equal(t, 2, two.Count(agstest.Other))
}

func TestClient_CallerOwnsTheResult(t *testing.T) {
	srv, _ := startServer(t, agstest.Config{})
	srv.Client().Timeout = time.Nanosecond
	assert.NotEmpty(t, get(t, srv.Client(), srv, srv.URL))
	assert.Equal(t, 1, srv.Count(agstest.Other))
}

func TestServer_InMemoryWithAFakeClock(t *testing.T) {
	srv, fake := startServer(t, agstest.Config{InMemory: true, AccessLifetime: time.Minute})
	tok := signOn(t, srv)
	assert.True(t, accepted(t, srv, tok.Access))
	fake.Advance(time.Minute)
	assert.False(t, accepted(t, srv, tok.Access))
	assert.Equal(t, 2, srv.Count(agstest.API))
}

func TestServer_DefaultClock(t *testing.T) {
	srv := agstest.NewServer(agstest.Config{})
	defer srv.Close()
	tok := signOn(t, srv)
	info, ok := srv.Inspect(tok.Access)
	require.True(t, ok)
	assert.WithinDuration(t, time.Now().Add(time.Hour), info.ExpiresAt, time.Minute)
	assert.True(t, accepted(t, srv, tok.Access))
	assert.Equal(t, 1, srv.Count(agstest.API))
}

func TestClose_EndsRequestsInFlight(t *testing.T) {
	for name, cfg := range listeners() {
		t.Run(name, func(t *testing.T) {
			cfg.Clock = clock.NewFake(start())
			srv := agstest.NewServer(cfg)
			srv.Hold(agstest.Refresh)
			srv.Script(agstest.SignOn, agstest.Fault{Delay: time.Hour})
			srv.Script(agstest.API, agstest.Fault{Kind: agstest.Drip, Pause: time.Hour})
			paths := map[agstest.Op]string{agstest.Refresh: "/ags/refresh", agstest.SignOn: "/ags/signOn", agstest.API: "/api/x"}
			var callers sync.WaitGroup
			for _, path := range paths {
				callers.Go(func() { assert.Error(t, post(t, srv, path, newDeviceSignOn).err) })
			}
			for op := range paths {
				require.NoError(t, srv.Wait(t.Context(), op, 1))
			}
			srv.Close()
			callers.Wait()
			for op := range paths {
				assert.Zero(t, srv.InFlight(op))
				assert.Equal(t, 1, srv.Count(op), "records remain")
			}
		})
	}
}

func TestClose_IsIdempotentAndStopsTheServer(t *testing.T) {
	for name, cfg := range listeners() {
		t.Run(name, func(t *testing.T) {
			srv := agstest.NewServer(cfg)
			signOn(t, srv)
			var closers sync.WaitGroup
			for range 4 {
				closers.Go(srv.Close)
			}
			closers.Wait()
			srv.Close()
			require.Error(t, post(t, srv, "/ags/signOn", newDeviceSignOn).err)
			assert.Equal(t, 1, srv.Count(agstest.SignOn))
		})
	}
}

func TestClose_AtOnce(t *testing.T) {
	for range 50 {
		agstest.NewServer(agstest.Config{}).Close()
		synctest.Test(t, func(*testing.T) { agstest.NewServer(agstest.Config{InMemory: true}).Close() })
	}
}

func TestClose_WhileClientsConnect(t *testing.T) {
	for name, cfg := range listeners() {
		t.Run(name, func(t *testing.T) {
			for range 20 {
				srv := agstest.NewServer(cfg)
				var callers sync.WaitGroup
				for range 8 {
					callers.Go(func() { post(t, srv, "/api/x", "") })
				}
				require.NoError(t, srv.Wait(t.Context(), agstest.API, 1))
				srv.Close()
				callers.Wait()
				assert.Zero(t, srv.InFlight(agstest.API))
			}
		})
	}
}

func TestServer_InMemoryDialEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := startInMemory(t, agstest.Config{})
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		require.ErrorIs(t, send(ctx, srv, http.MethodGet, "/", "").err, context.Canceled)
		assert.Zero(t, srv.Count(agstest.Other))
	})
}

// The race detector checks this test.
func TestServer_ConcurrentUse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := startInMemory(t, agstest.Config{DeviceLimit: -1})
		const n = 20
		var callers sync.WaitGroup
		for i := range n {
			callers.Go(func() {
				tok := signOn(t, srv)
				srv.Script(agstest.API, agstest.Fault{Status: 500})
				release := srv.Hold(agstest.Refresh)
				go refresh(t, srv, tok.Refresh)
				callAPI(t, srv, tok.Access)
				release()
				srv.SuspendAccount("unknown")
				srv.DisableDevice(tok.ClientID)
				srv.EnableDevice(tok.ClientID)
				srv.RejectToken(tok.Access)
				srv.SetSkew(time.Duration(i))
				_, _ = srv.Inspect(tok.Access)
				_, _, _ = srv.Stats(), srv.Requests(agstest.Refresh), srv.Pending(agstest.API)
			})
		}
		callers.Wait()
		require.NoError(t, srv.Wait(t.Context(), agstest.Refresh, n))
		assert.Equal(t, n, srv.Count(agstest.API))
		assert.Equal(t, n, srv.Stats().Sessions)
		synctest.Wait()
	})
}

func TestServer_Skew(t *testing.T) {
	srv, fake := startServer(t, agstest.Config{Skew: -time.Hour})
	r := post(t, srv, "/ags/signOn", newDeviceSignOn)
	tok := r.tokens(t, http.StatusCreated)
	date, err := http.ParseTime(r.header.Get("Date"))
	require.NoError(t, err)
	assert.True(t, date.Equal(start().Truncate(time.Second).Add(-time.Hour)))
	info, _ := srv.Inspect(tok.Access)
	assert.True(t, info.ExpiresAt.Equal(start().Truncate(time.Second)), "the server's clock is an hour behind")
	assert.True(t, srv.Requests(agstest.SignOn)[0].At.Equal(start().Add(-time.Hour)))
	assert.True(t, accepted(t, srv, tok.Access))

	srv.SetSkew(0)
	assert.False(t, accepted(t, srv, tok.Access), "without the skew the token has expired")
	srv.SetSkew(-time.Hour)
	fake.Suspend(-time.Minute)
	assert.True(t, accepted(t, srv, tok.Access))
	assert.Equal(t, 3, srv.Count(agstest.API))
}
