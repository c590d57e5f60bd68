package redisstore_test

import (
	"context"
	"io/fs"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/store/redisstore"
	"github.com/agsauth/agsauth/store/redisstore/internal/redistest"
)

// One connection notifies all Locks of a Family that wait.
func TestFamily_OneSubscription(t *testing.T) {
	const locks = 1000
	server := redistest.Start(t)
	holders, waiters := openFamilyWithoutPolling(t, server.Client()), openFamilyWithoutPolling(t, server.Client())
	var names []string
	var unlocks []func() error
	for i := range locks {
		names = append(names, strconv.Itoa(i))
		unlocks = append(unlocks, lock(t, holders.Store(names[i])))
	}
	assert.Empty(t, subscribers(server), "a Lock that need not wait needs no subscription")
	all := waitAll(t.Context(), waiters, names)
	awaitSubscribers(t, server, locks)
	for _, unlock := range unlocks {
		require.NoError(t, unlock())
	}
	for _, w := range all {
		require.NoError(t, w.acquired(t)())
	}
	awaitSubscribers(t, server)
	assert.LessOrEqual(t, server.Calls()["subscribe"], locks)
}

// Of two Stores of one session in one process both are notified, and each of the others
// that comes and goes is subscribed anew.
func TestFamily_OneSessionManyWaiters(t *testing.T) {
	server := redistest.Start(t)
	family := openFamilyWithoutPolling(t, server.Client())
	for range 20 {
		unlock := lock(t, family.Store("session"))
		names := []string{"session", "session", "session"}
		all := waitAll(t.Context(), family, names)
		ctx, cancel := context.WithCancelCause(t.Context())
		gone := startLock(ctx, family.Store("session"))
		cancel(errCause)
		<-gone.done
		assert.Equal(t, errCause, gone.err)
		require.NoError(t, unlock())
		for _, w := range all {
			go func() {
				<-w.done
				if w.unlock != nil {
					_ = w.unlock()
				}
			}()
		}
		for _, w := range all {
			w.acquired(t)
		}
	}
	awaitSubscribers(t, server)
}

// While the subscription is lost a Lock polls, and later the Family subscribes again.
func TestFamily_SubscriptionIsLost(t *testing.T) {
	server := redistest.Start(t)
	const poll = 20 * time.Millisecond
	holder := openFamilyWithoutPolling(t, server.Client())
	family := openFamily(t, redisstore.FamilyConfig{Client: server.Client(), Lease: never, PollInterval: poll})
	for range 3 {
		unlock := lock(t, holder.Store("session"))
		w := startLock(t.Context(), family.Store("session"))
		awaitSubscribers(t, server, 1)
		server.Do("CLIENT", "KILL", "TYPE", "pubsub")
		awaitSubscribers(t, server, 1)
		require.NoError(t, unlock())
		require.NoError(t, w.acquired(t)())
		awaitSubscribers(t, server)
	}
	unlock := lock(t, holder.Store("session"))
	w := startLock(t.Context(), family.Store("session"))
	awaitSubscribers(t, server, 1)
	server.Do("ACL", "SETUSER", "default", "-subscribe")
	server.Do("CLIENT", "KILL", "TYPE", "pubsub")
	require.NoError(t, unlock())
	require.NoError(t, w.acquired(t)(), "it polls")
	assert.Empty(t, subscribers(server))
	server.Do("ACL", "SETUSER", "default", "+subscribe")
	unlock = lock(t, holder.Store("session"))
	w = startLock(t.Context(), family.Store("another")) // free
	require.NoError(t, w.acquired(t)())
	w = startLock(t.Context(), family.Store("session"))
	awaitSubscribers(t, server, 1)
	require.NoError(t, unlock())
	require.NoError(t, w.acquired(t)())
}

// A server that was away is subscribed to again.
func TestFamily_ServerRestarts(t *testing.T) {
	server := redistest.Start(t)
	family := openFamily(t, redisstore.FamilyConfig{Client: server.Client(), Lease: never, PollInterval: 10 * time.Millisecond})
	unlock := lock(t, openFamilyWithoutPolling(t, server.Client()).Store("session"))
	w := startLock(t.Context(), family.Store("session"))
	awaitSubscribers(t, server, 1)
	server.Kill()
	<-w.done
	assertStoreError(t, "lock", w.err)
	server.Restart()
	require.ErrorIs(t, unlock(), redisstore.ErrLeaseLost)
	unlock = lock(t, openFamilyWithoutPolling(t, server.Client()).Store("session"))
	w = startLock(t.Context(), family.Store("session"))
	awaitSubscribers(t, server, 1)
	require.NoError(t, unlock())
	require.NoError(t, w.acquired(t)())
}

// Without the right to unsubscribe the Family connects again.
func TestFamily_WithoutUnsubscribe(t *testing.T) {
	server := redistest.Start(t)
	server.Do("ACL", "SETUSER", "default", "-unsubscribe")
	holder := openFamilyWithoutPolling(t, server.Client())
	family := openFamily(t, redisstore.FamilyConfig{Client: server.Client(), Lease: never, PollInterval: 10 * time.Millisecond})
	for range 3 {
		unlock := lock(t, holder.Store("session"))
		w := startLock(t.Context(), family.Store("session"))
		awaitSubscribers(t, server, 1)
		require.NoError(t, unlock())
		require.NoError(t, w.acquired(t)())
	}
	awaitSubscribers(t, server)
}

// assertNoFeed asserts that no feed runs. The last step of its goroutine, which tells that it
// has ended, may still be on its stack.
func assertNoFeed(tb testing.TB) {
	tb.Helper()
	assert.Eventually(tb, func() bool { return !strings.Contains(stacks(), "redisstore.(*feed)") }, time.Minute, time.Millisecond)
}

// Close ends the goroutines of a Family, whatever they do; a Lock that waits polls.
func TestFamily_Close(t *testing.T) {
	server := redistest.Start(t)
	cfg := redisstore.FamilyConfig{Client: server.Client(), Lease: never, PollInterval: 10 * time.Millisecond}
	t.Run("never used", func(t *testing.T) {
		f := openFamily(t, cfg)
		require.NoError(t, f.Close())
		require.NoError(t, f.Close())
		unlock := lock(t, f.Store("session"))
		w := startLock(t.Context(), f.Store("session"))
		require.NoError(t, unlock())
		require.NoError(t, w.acquired(t)())
		assertNoFeed(t)
	})
	t.Run("in use", func(t *testing.T) {
		f := openFamily(t, cfg)
		unlock := lock(t, f.Store("session"))
		w := startLock(t.Context(), f.Store("session"))
		awaitSubscribers(t, server, 1)
		require.NoError(t, f.Close())
		assertNoFeed(t)
		save(t, f.Store("session"), "record")
		require.NoError(t, unlock())
		require.NoError(t, w.acquired(t)(), "it polls")
	})
	t.Run("waiting to connect again", func(t *testing.T) {
		cfg := cfg
		cfg.PollInterval = never
		f := openFamily(t, cfg)
		unlock := lock(t, f.Store("session"))
		ctx, cancel := context.WithCancelCause(t.Context())
		w := startLock(ctx, f.Store("session"))
		awaitSubscribers(t, server, 1)
		server.Do("CLIENT", "KILL", "TYPE", "pubsub")
		awaitSubscribers(t, server)
		require.NoError(t, f.Close())
		assertNoFeed(t)
		cancel(errCause)
		<-w.done
		assert.Equal(t, errCause, w.err)
		require.NoError(t, unlock())
	})
}

// Close does not wait for a server that does not answer.
func TestFamily_CloseWithoutAnAnswer(t *testing.T) {
	subscribing, answer := make(chan struct{}), make(chan struct{})
	server := redistest.StartScripted(t, func(command []string) (string, bool) {
		if command[0] == "subscribe" {
			close(subscribing)
			<-answer
			return "", false
		}
		return "*2\r\n$4\r\nbusy\r\n$6\r\n100000\r\n", true
	})
	f := openFamilyWithoutPolling(t, server.ClientWith(&redis.Options{MaxRetries: -1}))
	ctx, cancel := context.WithCancelCause(t.Context())
	w := startLock(ctx, f.Store("session"))
	<-subscribing
	require.NoError(t, f.Close())
	close(answer)
	cancel(errCause)
	<-w.done
	assert.Equal(t, errCause, w.err)
}

// A user with the rights of the documentation can do everything.
func TestFamily_DocumentedRights(t *testing.T) {
	server := redistest.Start(t)
	server.Do(documentedACL(t, "*")[0]...)
	family := openFamilyWithoutPolling(t, userClient(server))
	holder := openFamilyWithoutPolling(t, server.Client())
	for _, name := range []string{"one", "two"} {
		unlock := lock(t, holder.Store(name))
		w := startLock(t.Context(), family.Store(name))
		awaitSubscribers(t, server, 1)
		require.NoError(t, unlock())
		require.NoError(t, w.acquired(t)())
		awaitSubscribers(t, server)
	}
	require.NoError(t, family.Store("one").Check(t.Context()))
	_, errs := loadAll(t, family, "one")
	require.ErrorIs(t, errs[0], fs.ErrNotExist)
	assertNothingDenied(t, server)
}
