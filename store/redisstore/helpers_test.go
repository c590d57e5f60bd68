package redisstore_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/clock"
	"github.com/agsauth/agsauth/store/redisstore"
	"github.com/agsauth/agsauth/store/redisstore/internal/redistest"
)

const (
	never = 24 * time.Hour // a lease or poll interval that does not end during a test

	recordKey = "agsauth:{session}:record"
	lockKey   = "agsauth:{session}:lock"
)

var errCause = errors.New("the test has ended the context")

// open returns a Store of the session name.
func open(tb testing.TB, client redis.UniversalClient, name string) *redisstore.Store {
	tb.Helper()
	return openWith(tb, redisstore.Config{Client: client, Name: name})
}

func openWith(tb testing.TB, cfg redisstore.Config) *redisstore.Store {
	tb.Helper()
	if cfg.Name == "" {
		cfg.Name = "session"
	}
	s, err := redisstore.New(cfg)
	require.NoError(tb, err)
	return s
}

// openWithoutPolling returns a Store that learns of a release only by a notification.
func openWithoutPolling(tb testing.TB, client redis.UniversalClient) *redisstore.Store {
	tb.Helper()
	return openWith(tb, redisstore.Config{Client: client, Lease: never, PollInterval: never})
}

// userClient returns a client that logs in as the user agsauth.
func userClient(server *redistest.Server) *redis.Client {
	options := server.Options()
	options.Username, options.Password = "agsauth", "secret"
	return server.ClientWith(options)
}

// clusterClient returns a client of a cluster that logs in as user.
func clusterClient(tb testing.TB, server *redistest.Server, user string) *redis.ClusterClient {
	tb.Helper()
	options := &redis.ClusterOptions{Addrs: []string{server.Addr}, Username: user}
	if user != "" {
		options.Password = "secret"
	}
	client := redis.NewClusterClient(options)
	tb.Cleanup(func() { _ = client.Close() })
	return client
}

// clientWithoutRetries returns a client that sends each command once.
func clientWithoutRetries(server *redistest.Server) *redis.Client {
	options := server.Options()
	options.MaxRetries = -1
	return server.ClientWith(options)
}

func lock(tb testing.TB, s *redisstore.Store) (unlock func() error) {
	tb.Helper()
	unlock, err := s.Lock(tb.Context())
	require.NoError(tb, err)
	return unlock
}

func save(tb testing.TB, s *redisstore.Store, record string) {
	tb.Helper()
	require.NoError(tb, s.Save(tb.Context(), []byte(record)))
}

func load(tb testing.TB, s *redisstore.Store) string {
	tb.Helper()
	data, err := s.Load(tb.Context())
	require.NoError(tb, err)
	return string(data)
}

// methods returns all methods with a context, except Check.
func methods(s *redisstore.Store) map[string]func(context.Context) error {
	return map[string]func(context.Context) error{
		"load":      func(ctx context.Context) error { _, err := s.Load(ctx); return err },
		"save":      func(ctx context.Context) error { return s.Save(ctx, []byte("record-of-secrets")) },
		"delete":    s.Delete,
		"set aside": func(ctx context.Context) error { return s.SetAside(ctx, "damaged") },
		"lock":      func(ctx context.Context) error { _, err := s.Lock(ctx); return err },
	}
}

// cacheScripts calls every method once, so that the server caches all scripts and later
// calls are one command each.
func cacheScripts(tb testing.TB, s *redisstore.Store) {
	tb.Helper()
	require.NoError(tb, s.Delete(tb.Context()))
	save(tb, s, "record-zero")
	load(tb, s)
	require.NoError(tb, s.SetAside(tb.Context(), "warm"))
	require.NoError(tb, lock(tb, s)())
}

// assertStoreError asserts that err says nothing about what is stored.
func assertStoreError(tb testing.TB, op string, err error) {
	tb.Helper()
	require.Error(tb, err, op)
	assert.NotErrorIs(tb, err, fs.ErrNotExist, op)
	assert.NotErrorIs(tb, err, fs.ErrExist, op)
	assert.NotContains(tb, err.Error(), "record-of")
	assert.True(tb, strings.HasPrefix(err.Error(), "redisstore: "+op+": "), "%v", err)
}

// pendingLock is a call of Lock in a goroutine.
type pendingLock struct {
	unlock func() error
	err    error
	done   chan struct{}
}

func startLock(ctx context.Context, s *redisstore.Store) *pendingLock {
	w := &pendingLock{done: make(chan struct{})}
	go func() {
		defer close(w.done)
		w.unlock, w.err = s.Lock(ctx)
	}()
	return w
}

// acquired waits until the lock is held.
func (w *pendingLock) acquired(tb testing.TB) (unlock func() error) {
	tb.Helper()
	<-w.done
	require.NoError(tb, w.err)
	return w.unlock
}

// A scriptSpy counts the results of scripts that a client has received.
type scriptSpy struct{ results chan struct{} }

func newSpy(client redis.UniversalClient) *scriptSpy {
	s := &scriptSpy{make(chan struct{}, 1000)}
	client.AddHook(s)
	return s
}

func (s *scriptSpy) DialHook(next redis.DialHook) redis.DialHook { return next }

func (s *scriptSpy) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

func (s *scriptSpy) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		err := next(ctx, cmd)
		script := cmd.Name() == "evalsha" || cmd.Name() == "eval"
		if script && !redis.HasErrorPrefix(err, "NOSCRIPT") {
			s.results <- struct{}{}
		}
		return err
	}
}

// await waits for n more results.
func (s *scriptSpy) await(n int) {
	for range n {
		<-s.results
	}
}

// A watchedClock reports the durations of new timers.
type watchedClock struct {
	clock.Clock
	timers chan time.Duration
}

func newWatchedClock(c clock.Clock) *watchedClock {
	return &watchedClock{c, make(chan time.Duration, 10000)}
}

func (c *watchedClock) NewTimer(d time.Duration) clock.Timer {
	timer := c.Clock.NewTimer(d)
	c.timers <- d
	return timer
}

// await waits for a new timer of d.
func (c *watchedClock) await(d time.Duration) {
	for timer := range c.timers {
		if timer == d {
			return
		}
	}
}

// stoppedClock returns a clock that does not advance, like that of a suspended process.
func stoppedClock() *clock.Fake { return clock.NewFake(time.Unix(1e9, 0)) }

// A lossyClient is a client that reports the scripts that it has sent, and that can lose
// results of commands that the server has run.
type lossyClient struct {
	*redis.Client
	sent chan struct{}
	lose atomic.Int32 // how many results to lose
}

func newLossyClient(server *redistest.Server, retries int) *lossyClient {
	w := &lossyClient{sent: make(chan struct{}, 1000)}
	options := server.Options()
	options.MaxRetries = retries
	options.Dialer = func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := (&net.Dialer{}).DialContext(ctx, network, addr)
		return &lossyConn{conn, w}, err
	}
	w.Client = server.ClientWith(options)
	return w
}

// loseResult loses the result of the next command.
func (w *lossyClient) loseResult(tb testing.TB) {
	tb.Helper()
	require.NoError(tb, w.Ping(tb.Context()).Err()) // lose no result of connecting
	w.lose.Store(1)
}

type lossyConn struct {
	net.Conn
	client *lossyClient
}

func (c *lossyConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if err == nil && c.client.lose.Load() > 0 {
		c.client.lose.Add(-1)
		return 0, errors.Join(io.EOF, c.Close())
	}
	return n, err
}

func (c *lossyConn) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	if bytes.Contains(b, []byte("evalsha")) {
		c.client.sent <- struct{}{}
	}
	return n, err
}
