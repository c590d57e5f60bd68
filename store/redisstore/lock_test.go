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

func TestLock_IsHeldForLongerThanItsLease(t *testing.T) {
	server := redistest.Start(t)
	const lease = time.Hour // the server's own clock must not matter
	fake, client := stopped(), server.Client()
	s := openWith(t, redisstore.Config{Client: client, Lease: lease, Clock: fake})
	unlock := lock(t, s)
	token := server.Do("GET", lockKey)
	spied := spyOn(client)
	for range 10 { // three make a lease
		require.NoError(t, fake.BlockUntil(t.Context(), 1))
		passed := lease / 3
		server.Do("PEXPIRE", lockKey, (lease - passed).Milliseconds()) // on its clock, too
		fake.Advance(passed)
		spied.await(1)
		assert.Greater(t, server.Do("PTTL", lockKey), (lease - passed).Milliseconds())
	}
	assert.Equal(t, token, server.Do("GET", lockKey))
	require.NoError(t, unlock())
	assert.EqualValues(t, 0, server.Do("EXISTS", lockKey))
	server.ResetCalls()
	require.NoError(t, unlock(), "calling it again does nothing")
	assert.Zero(t, server.Calls()["evalsha"])
}

// The context that was given to Lock, and that is over by then, ends neither the
// lock nor its renewal.
func TestLock_OutlivesTheContextOfItsWait(t *testing.T) {
	server := redistest.Start(t)
	fake := stopped()
	client := server.Client()
	s := openWith(t, redisstore.Config{Client: client, Clock: fake})
	ctx, cancel := context.WithCancel(t.Context())
	unlock, err := s.Lock(ctx)
	require.NoError(t, err)
	cancel()
	server.Do("PEXPIRE", lockKey, 20000)
	spied := spyOn(client)
	require.NoError(t, fake.BlockUntil(t.Context(), 1))
	fake.Advance(8 * time.Second) // a third of the default
	spied.await(1)
	assert.Greater(t, server.Do("PTTL", lockKey), int64(20000))
	require.NoError(t, unlock())
}

func TestLock_RenewalIsTriedAgainSoon(t *testing.T) {
	server := redistest.Start(t)
	options := server.Options()
	options.MaxRetries = -1
	client := server.ClientWith(options)
	c := watch(stopped())
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
		{"removed, as a renewal finds", []any{"DEL", lockKey}, true},
		{"all is lost", []any{"FLUSHALL"}, false},
		{"another's", []any{"SET", lockKey, "another", "PX", 3600_000}, false},
		{"another's, as a renewal finds", []any{"SET", lockKey, "another", "PX", 3600_000}, true},
		{"of another kind", []any{"EVAL", "redis.call('DEL', KEYS[1]) return redis.call('RPUSH', KEYS[1], 'x')", 1, lockKey}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			server := redistest.Start(t)
			fake, client := stopped(), server.Client()
			unlock := lock(t, openWith(t, redisstore.Config{Client: client, Clock: fake}))
			server.Do(tt.lose...)
			there := server.Do("EXISTS", lockKey)
			spied := spyOn(client)
			if tt.renewal {
				require.NoError(t, fake.BlockUntil(t.Context(), 1))
				fake.Advance(8 * time.Second)
				spied.await(1)
			}
			err := unlock()
			if tt.name == "of another kind" {
				assertOther(t, "unlock", err)
			} else {
				require.ErrorIs(t, err, redisstore.ErrLeaseLost)
			}
			assert.Equal(t, err, unlock(), "calling it again does nothing")
			assert.Equal(t, there, server.Do("EXISTS", lockKey), "what is another's is left alone")
			if there == int64(1) && tt.name != "of another kind" {
				assert.Equal(t, "another", server.Do("GET", lockKey))
				assert.Greater(t, server.Do("PTTL", lockKey), int64(3000_000), "and is not prolonged")
			}
		})
	}
}

// A process that was killed, or stands still, does not renew.
func TestLock_OfADeadHolderIsPassedOn(t *testing.T) {
	server := redistest.Start(t)
	dead := lock(t, openWith(t, redisstore.Config{Client: server.Client(), Lease: 300 * time.Millisecond, Clock: stopped()}))
	next := lock(t, openWith(t, redisstore.Config{Client: server.Client(), PollInterval: never}))
	require.ErrorIs(t, dead(), redisstore.ErrLeaseLost, "it thaws")
	assert.EqualValues(t, 1, server.Do("EXISTS", lockKey), "and takes nothing from the next")
	require.NoError(t, next())
}

func TestLock_WaitersAreToldOfARelease(t *testing.T) {
	server := redistest.Start(t)
	unlock := lock(t, patiently(t, server.Client()))
	client := server.Client()
	spied := spyOn(client)
	w := waitFor(t.Context(), patiently(t, client))
	spied.await(2) // to look, to subscribe, and to look again
	require.NoError(t, unlock())
	require.NoError(t, w.got(t)())
}

// A release that falls between the look and the subscription is not missed.
func TestLock_ReleasedBeforeTheSubscription(t *testing.T) {
	server := redistest.Start(t)
	unlock := lock(t, patiently(t, server.Client()))
	client := server.Client()
	spied := spyOn(client)
	w := waitFor(t.Context(), patiently(t, client))
	spied.await(1)
	require.NoError(t, unlock())
	require.NoError(t, w.got(t)())
}

func TestLock_WithoutAnybodyTelling(t *testing.T) {
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
			unlock := lock(t, patiently(t, client))
			waiter := server.Client()
			spied := spyOn(waiter)
			w := waitFor(t.Context(), openWith(t, redisstore.Config{Client: waiter, PollInterval: 10 * time.Millisecond, Lease: never}))
			spied.await(3)
			require.NoError(t, unlock())
			require.NoError(t, w.got(t)())
		})
	}
}

func TestLock_SubscriptionIsLost(t *testing.T) {
	server := redistest.Start(t)
	unlock := lock(t, patiently(t, server.Client()))
	c, client := watch(stopped()), server.Client()
	spied := spyOn(client)
	w := waitFor(t.Context(), openWith(t, redisstore.Config{
		Client: client, Clock: c, PollInterval: time.Second, Rand: func() float64 { return 0.5 },
	}))
	spied.await(2)
	c.await(10 * time.Second) // for it will be told
	server.Do("CLIENT", "KILL", "TYPE", "pubsub")
	c.await(time.Second) // for it will not
	require.NoError(t, unlock())
	c.Clock.(*clock.Fake).Advance(time.Second)
	require.NoError(t, w.got(t)())
}

// Of one process one asks, and the others wait for it.
func TestLock_WaitersOfOneValueCostNothing(t *testing.T) {
	server := redistest.Start(t)
	s := patiently(t, server.Client())
	unlock := lock(t, s)
	server.ResetCalls()
	ctx, cancel := context.WithCancelCause(t.Context())
	var waiters []*waiting
	for range 10 {
		waiters = append(waiters, waitFor(ctx, s))
	}
	cancel(errTired)
	for _, w := range waiters {
		<-w.done
		assert.Equal(t, errTired, w.err)
	}
	assert.Zero(t, server.Calls()["evalsha"])
	require.NoError(t, unlock())
}

func TestLock_WaitEndsWithTheServer(t *testing.T) {
	server := redistest.Start(t)
	dead := lock(t, openWith(t, redisstore.Config{Client: server.Client(), Clock: stopped(), Lease: never}))
	client := server.Client()
	spied := spyOn(client)
	w := waitFor(t.Context(), openWith(t, redisstore.Config{Client: client, PollInterval: 10 * time.Millisecond}))
	spied.await(2)
	server.Kill()
	<-w.done
	assertOther(t, "lock", w.err)
	server.Restart()
	require.ErrorIs(t, dead(), redisstore.ErrLeaseLost, "it was kept in memory")
}

// A server that stands still keeps nobody in unlock.
func TestLock_UnlockIsBounded(t *testing.T) {
	server := redistest.Start(t)
	c, client := watch(stopped()), newWire(server, 3)
	s := openWith(t, redisstore.Config{Client: client, Clock: c, Lease: never})
	require.NoError(t, lock(t, s)(), "the server knows the scripts")
	unlock := lock(t, s)
	for len(client.sent) > 0 {
		<-client.sent
	}
	server.Pause()
	for len(c.made) > 0 {
		<-c.made
	}
	ended := make(chan error)
	go func() { ended <- unlock() }()
	c.await(5 * time.Second)
	<-client.sent
	c.Clock.(*clock.Fake).Advance(5 * time.Second)
	err := <-ended
	assertOther(t, "unlock", err)
	require.NotErrorIs(t, err, redisstore.ErrLeaseLost)
	server.Resume()
	require.NoError(t, lock(t, patiently(t, server.Client()))(), "what was sent is done after all")
}

// Each of many waits, and comes to find that there is nothing left to do. They come
// one after the other, and do not all ask at once.
func TestLock_ManyWaitersTakeTurns(t *testing.T) {
	const users = 50
	server := redistest.Start(t)
	client := server.Client()
	holder := patiently(t, client)
	unlock := lock(t, holder)
	save(t, holder, "record-one")
	spied := spyOn(client)
	var all sync.WaitGroup
	for range users {
		s := patiently(t, client)
		all.Go(func() {
			unlock, err := s.Lock(t.Context())
			if !assert.NoError(t, err) {
				return
			}
			_, err = s.Load(t.Context())
			assert.NoError(t, errors.Join(err, unlock()))
		})
	}
	spied.await(2 * users) // all are subscribed
	server.ResetCalls()
	began := time.Now()
	require.NoError(t, unlock())
	all.Wait()
	calls := server.Calls()
	t.Logf("%d took turns in %v: %d scripts, %d publications", users, time.Since(began), calls["evalsha"], calls["publish"])
	assert.GreaterOrEqual(t, calls["evalsha"], 1+3*users, "to lock, to load and to unlock")
	assert.Less(t, calls["evalsha"], 1+2*users+users*(users+1)/2, "which is what it takes if all ask after each release")
	assert.Equal(t, 1+users, calls["publish"])
}
