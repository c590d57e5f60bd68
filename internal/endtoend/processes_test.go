package endtoend_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/agstest"
	"github.com/agsauth/agsauth/store"
	"github.com/agsauth/agsauth/tokensource"
)

// Eight busy processes that can sign on share a session through several fixed
// expiries.
func TestProcessesThroughFixedExpiries(t *testing.T) {
	for name, newStore := range sharedStores() {
		t.Run(name, func(t *testing.T) {
			open := newStore(t)
			opts := options{noSignOn: true, platform: agstest.Config{AccessLifetime: 10 * time.Minute, FixedLifetime: 25 * time.Minute}}
			inBubble(t, opts, func(t *testing.T, s *stack) {
				sources, clients := s.peers(8, open, withLogin)
				require.Empty(t, s.callAll(clients, 1).errs)
				s.srv.Always(agstest.SignOn, agstest.Fault{Delay: 3 * time.Second})
				s.srv.Always(agstest.Refresh, agstest.Fault{Delay: 2 * time.Second})
				for range 100 {
					stats := s.callAll(clients, 1)
					require.Empty(t, stats.errs)
					require.Zero(t, stats.slowest)
					sleep(20 * time.Second)
				}
				assert.Equal(t, 2, s.srv.Count(agstest.SignOn))
				assert.Equal(t, 1, s.srv.Stats().Devices)
				assert.Zero(t, s.rejectedCalls())
				s.wantNoOverlap()
				closeAll(t, sources)
			})
		})
	}
}

// One rejected token in eight processes causes one refresh.
func TestProcessesWithARejectedToken(t *testing.T) {
	inBubblePerStore(t, options{}, func(t *testing.T, s *stack, open func() tokensource.Store) {
		s.storeToken(open)
		sources, clients := s.peers(8, open, nil)
		require.Empty(t, s.callAll(clients, 1).errs)
		s.srv.RejectToken(s.token.AccessToken.Reveal())
		s.srv.Always(agstest.Refresh, agstest.Fault{Delay: time.Second})
		stats := s.callAll(clients, 5)
		assert.Empty(t, stats.errs)
		assert.Less(t, stats.slowest, 3*time.Second)
		s.wantCount(agstest.Refresh, 1)
		s.wantNoOverlap()
		closeAll(t, sources)
	})
}

// Eight idle processes keep the session alive for half a day.
func TestProcessesRunIdle(t *testing.T) {
	inBubblePerStore(t, options{}, func(t *testing.T, s *stack, open func() tokensource.Store) {
		s.storeToken(open)
		sources, clients := s.peers(8, open, nil)
		for _, src := range sources {
			go func() { _ = src.Run(t.Context()) }()
		}
		sleep(12 * time.Hour)
		assert.InDelta(t, 13, s.srv.Count(agstest.Refresh), 1)
		stats := s.callAll(clients, 1)
		assert.Empty(t, stats.errs)
		assert.Zero(t, stats.slowest)
		assert.Zero(t, s.rejectedCalls())
		s.wantNoOverlap()
		closeAll(t, sources)
	})
}

// Several processes share a session with single-use refresh tokens. There is one
// refresh per lifetime, and no caller waits.
func TestProcessesShareASession(t *testing.T) {
	for name, newStore := range sharedStores() {
		for size, n := range map[string]int{"two": 2, "eight": 8} {
			t.Run(size+" on a "+name, func(t *testing.T) {
				open := newStore(t)
				inBubble(t, options{}, func(t *testing.T, s *stack) {
					s.storeToken(open)
					sources, clients := s.peers(n, open, nil)
					s.srv.Always(agstest.Refresh, agstest.Fault{Delay: 2 * time.Second})
					// Only the first load from the store takes time.
					assert.Empty(t, s.callAll(clients, 1).errs)
					for range 100 {
						stats := s.callAll(clients, 1)
						require.Empty(t, stats.errs)
						require.Zero(t, stats.slowest)
						time.Sleep(2 * time.Minute)
					}
					s.wantCount(agstest.Refresh, 3)
					assert.Zero(t, s.rejectedCalls())
					s.wantNoOverlap()
					closeAll(t, sources)
				})
			})
		}
	}
}

// All processes find the token expired at the same moment.
func TestProcessesFindAnExpiredTokenTogether(t *testing.T) {
	inBubblePerStore(t, options{}, func(t *testing.T, s *stack, open func() tokensource.Store) {
		s.storeToken(open)
		sources, clients := s.peers(8, open, nil)
		s.srv.Always(agstest.Refresh, agstest.Fault{Delay: time.Second})
		for round := 1; round <= 3; round++ {
			sleep(5 * time.Hour)
			stats := s.callAll(clients, 5)
			require.Empty(t, stats.errs)
			assert.Less(t, stats.slowest, 2*time.Second)
			s.wantCount(agstest.Refresh, round)
		}
		assert.Zero(t, s.rejectedCalls())
		s.wantNoOverlap()
		closeAll(t, sources)
	})
}

// Eight processes that can sign on start without a session: there is one sign-on.
func TestProcessesSignOnOnce(t *testing.T) {
	inBubblePerStore(t, options{noSignOn: true}, func(t *testing.T, s *stack, open func() tokensource.Store) {
		sources, clients := s.peers(8, open, withLogin)
		s.srv.Always(agstest.SignOn, agstest.Fault{Delay: time.Second})
		stats := s.callAll(clients, 5)
		require.Empty(t, stats.errs)
		s.wantCount(agstest.SignOn, 1)
		// After two idle days the session has expired: one more sign-on.
		sleep(49 * time.Hour)
		stats = s.callAll(clients, 5)
		require.Empty(t, stats.errs)
		s.wantCount(agstest.SignOn, 2)
		s.wantCount(agstest.Refresh, 0)
		assert.Equal(t, 1, s.srv.Stats().Devices)
		s.wantNoOverlap()
		closeAll(t, sources)
	})
}

// Without a lock two processes may present the same refresh token. The process whose
// request is rejected must look into the store before it gives up.
func TestRejectedTokenIsReplacedByThePeers(t *testing.T) {
	var memory store.Memory
	open := func() tokensource.Store {
		return struct{ tokensource.Store }{memory.Peer()} // hides the Locker
	}
	inBubble(t, options{}, func(t *testing.T, s *stack) {
		s.storeToken(open)
		sources, clients := s.peers(2, open, nil)
		require.Empty(t, s.callAll(clients, 1).errs)
		sleep(90 * time.Minute)
		release := s.srv.Hold(agstest.Refresh)
		// The second request is rejected after the first was granted.
		s.srv.Script(agstest.Refresh, agstest.Fault{}, agstest.Fault{Status: 401, Delay: time.Second})
		asked := make(chan *callStats, 1)
		go func() { asked <- s.callAll(clients, 3) }()
		synctest.Wait()
		s.wantCount(agstest.Refresh, 2)
		release()
		stats := <-asked
		assert.Empty(t, stats.errs)
		for _, src := range sources {
			assert.Equal(t, tokensource.Fresh, src.Status().Phase)
		}
		require.Empty(t, s.callAll(clients, 1).errs)
		s.wantCount(agstest.Refresh, 2)
		assert.Zero(t, s.rejectedCalls())
		closeAll(t, sources)
	})
}

// A peer that holds the lock does not keep a valid token from callers, and delays a
// refresh by half a minute at most.
func TestPeerHoldsTheLock(t *testing.T) {
	var memory store.Memory
	opts := options{source: func(_ *stack, cfg *tokensource.Config) { cfg.Store = &memory }}
	inBubble(t, opts, func(t *testing.T, s *stack) {
		s.wantServed(1)
		unlock, err := memory.Peer().Lock(t.Context())
		require.NoError(t, err)
		stats := s.poll(10, time.Minute, time.Hour-2*time.Second)
		assert.Empty(t, stats.errs)
		assert.Zero(t, stats.slowest)
		s.wantCount(agstest.Refresh, 0)
		sleep(time.Minute)
		begin := time.Now()
		for _, r := range s.burst(20) {
			require.NoError(t, r.asError())
			require.Equal(t, 2, r.echo.Generation)
		}
		assert.InDelta(t, 31, time.Since(begin).Seconds(), 1)
		s.wantCount(agstest.Refresh, 1)
		sleep(0)
		assert.Len(t, s.events.ofKind(tokensource.EventUnlocked), 1)
		require.NoError(t, unlock())
		s.wantNoOverlap()
	})
}
