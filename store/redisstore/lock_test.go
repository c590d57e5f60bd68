package redisstore_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/clock"
	"github.com/agsauth/agsauth/store/redisstore"
	"github.com/agsauth/agsauth/store/redisstore/internal/redistest"
)

func TestLock_IsRenewed(t *testing.T) {
	server := redistest.Start(t)
	const lease = time.Hour // so long that the lease does not expire on the server's clock
	fake, client := stoppedClock(), server.Client()
	s := openWith(t, redisstore.Config{Client: client, Lease: lease, Clock: fake})
	unlock := lock(t, s)
	token := server.Do("GET", lockKey)
	spy := newSpy(client)
	for range 10 { // more than three leases
		require.NoError(t, fake.BlockUntil(t.Context(), 1))
		passed := lease / 3
		server.Do("PEXPIRE", lockKey, (lease - passed).Milliseconds()) // the same time on the server's clock
		fake.Advance(passed)
		spy.await(1)
		assert.Greater(t, server.Do("PTTL", lockKey), (lease - passed).Milliseconds())
	}
	assert.Equal(t, token, server.Do("GET", lockKey))
	require.NoError(t, unlock())
	assert.EqualValues(t, 0, server.Do("EXISTS", lockKey))
	server.ResetCalls()
	require.NoError(t, unlock(), "a second call does nothing")
	assert.Zero(t, server.Calls()["evalsha"])
}

// The context of Lock ends neither the lock nor its renewal.
func TestLock_OutlivesItsContext(t *testing.T) {
	server := redistest.Start(t)
	fake := stoppedClock()
	client := server.Client()
	s := openWith(t, redisstore.Config{Client: client, Clock: fake})
	ctx, cancel := context.WithCancel(t.Context())
	unlock, err := s.Lock(ctx)
	require.NoError(t, err)
	cancel()
	server.Do("PEXPIRE", lockKey, 20000)
	spy := newSpy(client)
	require.NoError(t, fake.BlockUntil(t.Context(), 1))
	fake.Advance(8 * time.Second) // a third of the default
	spy.await(1)
	assert.Greater(t, server.Do("PTTL", lockKey), int64(20000))
	require.NoError(t, unlock())
}

func TestLock_FailedRenewalIsRepeated(t *testing.T) {
	server := redistest.Start(t)
	client := clientWithoutRetries(server)
	c := newWatchedClock(stoppedClock())
	s := openWith(t, redisstore.Config{Client: client, Clock: c, Lease: time.Hour})
	unlock := lock(t, s)
	c.await(20 * time.Minute)
	server.Do("ACL", "SETUSER", "default", "-pexpire")
	c.Clock.(*clock.Fake).Advance(20 * time.Minute)
	c.await(5 * time.Minute)
	server.Do("ACL", "SETUSER", "default", "+pexpire")
	c.Clock.(*clock.Fake).Advance(5 * time.Minute)
	c.await(20 * time.Minute)
	require.NoError(t, unlock())
}

func TestLock_LeaseLost(t *testing.T) {
	tests := []struct {
		name    string
		lose    []any
		renewal bool // before unlock
	}{
		{"removed", []any{"DEL", lockKey}, false},
		{"removed before a renewal", []any{"DEL", lockKey}, true},
		{"all keys are lost", []any{"FLUSHALL"}, false},
		{"of another holder", []any{"SET", lockKey, "another", "PX", 3600_000}, false},
		{"of another holder before a renewal", []any{"SET", lockKey, "another", "PX", 3600_000}, true},
		{"of another type", []any{"EVAL", "redis.call('DEL', KEYS[1]) return redis.call('RPUSH', KEYS[1], 'x')", 1, lockKey}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			server := redistest.Start(t)
			fake, client := stoppedClock(), server.Client()
			unlock := lock(t, openWith(t, redisstore.Config{Client: client, Clock: fake}))
			server.Do(tt.lose...)
			exists := server.Do("EXISTS", lockKey)
			spy := newSpy(client)
			if tt.renewal {
				require.NoError(t, fake.BlockUntil(t.Context(), 1))
				fake.Advance(8 * time.Second)
				spy.await(1)
			}
			err := unlock()
			if tt.name == "of another type" {
				assertStoreError(t, "unlock", err)
			} else {
				require.ErrorIs(t, err, redisstore.ErrLeaseLost)
			}
			assert.Equal(t, err, unlock(), "a second call does nothing")
			assert.Equal(t, exists, server.Do("EXISTS", lockKey), "the lock of another holder is not removed")
			if exists == int64(1) && tt.name != "of another type" {
				assert.Equal(t, "another", server.Do("GET", lockKey))
				assert.Greater(t, server.Do("PTTL", lockKey), int64(3000_000), "and is not renewed")
			}
		})
	}
}

// The lock of a process that was killed or suspended expires.
func TestLock_ExpiresWithoutRenewal(t *testing.T) {
	server := redistest.Start(t)
	expired := lock(t, openWith(t, redisstore.Config{Client: server.Client(), Lease: 300 * time.Millisecond, Clock: stoppedClock()}))
	next := lock(t, openWith(t, redisstore.Config{Client: server.Client(), PollInterval: never}))
	require.ErrorIs(t, expired(), redisstore.ErrLeaseLost, "after the holder resumes")
	assert.EqualValues(t, 1, server.Do("EXISTS", lockKey), "the lock of the next holder is not removed")
	require.NoError(t, next())
}

// A release ends the wait, also before the waiter is subscribed.
func TestLock_ReleaseEndsWait(t *testing.T) {
	for name, results := range map[string]int{"subscribed": 2, "not subscribed": 1} { // of the scripts of the waiter
		t.Run(name, func(t *testing.T) {
			server := redistest.Start(t)
			unlock := lock(t, openWithoutPolling(t, server.Client()))
			client := server.Client()
			spy := newSpy(client)
			w := startLock(t.Context(), openWithoutPolling(t, client))
			spy.await(results)
			require.NoError(t, unlock())
			require.NoError(t, w.acquired(t)())
		})
	}
}

func TestLock_WithoutNotifications(t *testing.T) {
	tests := []struct {
		name string
		deny []any
	}{
		{"no right to subscribe", []any{"-subscribe"}},
		{"no right to publish", []any{"-publish"}},
		{"no right to either", []any{"-subscribe", "-publish", "-pubsub"}},
		{"no right to the channel", []any{"resetchannels"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			server := redistest.Start(t)
			server.Do(append([]any{"ACL", "SETUSER", "default"}, tt.deny...)...)
			client := server.Client()
			unlock := lock(t, openWithoutPolling(t, client))
			waiter := server.Client()
			spy := newSpy(waiter)
			w := startLock(t.Context(), openWith(t, redisstore.Config{Client: waiter, PollInterval: 10 * time.Millisecond, Lease: never}))
			spy.await(3)
			require.NoError(t, unlock())
			require.NoError(t, w.acquired(t)())
		})
	}
}

func TestLock_SubscriptionIsLost(t *testing.T) {
	server := redistest.Start(t)
	unlock := lock(t, openWithoutPolling(t, server.Client()))
	c, client := newWatchedClock(stoppedClock()), server.Client()
	spy := newSpy(client)
	w := startLock(t.Context(), openWith(t, redisstore.Config{
		Client: client, Clock: c, PollInterval: time.Second, Rand: func() float64 { return 0.5 },
	}))
	spy.await(2)
	c.await(10 * time.Second) // with a subscription
	server.Do("CLIENT", "KILL", "TYPE", "pubsub")
	c.await(time.Second) // without
	require.NoError(t, unlock())
	c.Clock.(*clock.Fake).Advance(time.Second)
	require.NoError(t, w.acquired(t)())
}

// The goroutines that wait for the lock through one Store send no commands.
func TestLock_WaitersOfOneStoreSendNothing(t *testing.T) {
	server := redistest.Start(t)
	s := openWithoutPolling(t, server.Client())
	unlock := lock(t, s)
	server.ResetCalls()
	ctx, cancel := context.WithCancelCause(t.Context())
	var waiters []*pendingLock
	for range 10 {
		waiters = append(waiters, startLock(ctx, s))
	}
	cancel(errCause)
	for _, w := range waiters {
		<-w.done
		assert.Equal(t, errCause, w.err)
	}
	assert.Zero(t, server.Calls()["evalsha"])
	require.NoError(t, unlock())
}

func TestLock_WaitEndsWithTheServer(t *testing.T) {
	server := redistest.Start(t)
	expired := lock(t, openWith(t, redisstore.Config{Client: server.Client(), Clock: stoppedClock(), Lease: never}))
	client := server.Client()
	spy := newSpy(client)
	w := startLock(t.Context(), openWith(t, redisstore.Config{Client: client, PollInterval: 10 * time.Millisecond}))
	spy.await(2)
	server.Kill()
	<-w.done
	assertStoreError(t, "lock", w.err)
	server.Restart()
	require.ErrorIs(t, expired(), redisstore.ErrLeaseLost, "the server has lost the lock")
}

// unlock returns after its time limit if the server does not respond.
func TestLock_UnlockIsBounded(t *testing.T) {
	server := redistest.Start(t)
	c, client := newWatchedClock(stoppedClock()), newLossyClient(server, 3)
	s := openWith(t, redisstore.Config{Client: client, Clock: c, Lease: never})
	require.NoError(t, lock(t, s)(), "the server caches the scripts")
	unlock := lock(t, s)
	for len(client.sent) > 0 {
		<-client.sent
	}
	server.Pause()
	for len(c.timers) > 0 {
		<-c.timers
	}
	ended := make(chan error)
	go func() { ended <- unlock() }()
	c.await(5 * time.Second)
	<-client.sent
	c.Clock.(*clock.Fake).Advance(5 * time.Second)
	err := <-ended
	assertStoreError(t, "unlock", err)
	require.NotErrorIs(t, err, redisstore.ErrLeaseLost)
	server.Resume()
	require.NoError(t, lock(t, openWithoutPolling(t, server.Client()))(), "the server runs the release later")
}

// After a release many waiters do not all try to take the lock at once.
func TestLock_ManyWaitersAreSpread(t *testing.T) {
	const users = 50
	server := redistest.Start(t)
	client := server.Client()
	holder := openWithoutPolling(t, client)
	unlock := lock(t, holder)
	save(t, holder, "record-one")
	spy := newSpy(client)
	var all sync.WaitGroup
	for range users {
		s := openWithoutPolling(t, client)
		all.Go(func() {
			unlock, err := s.Lock(t.Context())
			if !assert.NoError(t, err) {
				return
			}
			_, err = s.Load(t.Context())
			assert.NoError(t, errors.Join(err, unlock()))
		})
	}
	spy.await(2 * users) // all are subscribed
	server.ResetCalls()
	began := time.Now()
	require.NoError(t, unlock())
	all.Wait()
	calls := server.Calls()
	t.Logf("%d waiters in %v: %d scripts, %d notifications", users, time.Since(began), calls["evalsha"], calls["publish"])
	assert.GreaterOrEqual(t, calls["evalsha"], 1+3*users, "to lock, to load and to unlock")
	assert.Less(t, calls["evalsha"], 1+2*users+users*(users+1)/2, "the number of scripts if all try after each release")
	assert.Equal(t, 1+users, calls["publish"])
}
