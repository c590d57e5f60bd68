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
	never = 24 * time.Hour // for what a test must not owe to a lease that ends, or to polling

	recordKey = "agsauth:{session}:record"
	lockKey   = "agsauth:{session}:lock"
)

var errTired = errors.New("tired of waiting")

// open makes a Store of the session name.
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

// patiently opens a Store that learns of a release by being told, or never.
func patiently(tb testing.TB, client redis.UniversalClient) *redisstore.Store {
	tb.Helper()
	return openWith(tb, redisstore.Config{Client: client, Lease: never, PollInterval: never})
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

// each is every method but unlock.
func each(s *redisstore.Store) map[string]func(context.Context) error {
	return map[string]func(context.Context) error{
		"load":      func(ctx context.Context) error { _, err := s.Load(ctx); return err },
		"save":      func(ctx context.Context) error { return s.Save(ctx, []byte("record-of-secrets")) },
		"delete":    s.Delete,
		"set aside": func(ctx context.Context) error { return s.SetAside(ctx, "damaged") },
		"lock":      func(ctx context.Context) error { _, err := s.Lock(ctx); return err },
	}
}

// warm calls every method once, so that the server knows all scripts, and a
// client's next command is the one that counts.
func warm(tb testing.TB, s *redisstore.Store) {
	tb.Helper()
	require.NoError(tb, s.Delete(tb.Context()))
	save(tb, s, "record-zero")
	load(tb, s)
	require.NoError(tb, s.SetAside(tb.Context(), "warm"))
	require.NoError(tb, lock(tb, s)())
}

// assertOther asserts that err tells a caller nothing of what is stored.
func assertOther(tb testing.TB, op string, err error) {
	tb.Helper()
	require.Error(tb, err, op)
	assert.NotErrorIs(tb, err, fs.ErrNotExist, op)
	assert.NotErrorIs(tb, err, fs.ErrExist, op)
	assert.NotContains(tb, err.Error(), "record-of")
	assert.True(tb, strings.HasPrefix(err.Error(), "redisstore: "+op+": "), "%v", err)
}

// waiting is a Lock that has not returned.
type waiting struct {
	unlock func() error
	err    error
	done   chan struct{}
}

func waitFor(ctx context.Context, s *redisstore.Store) *waiting {
	w := &waiting{done: make(chan struct{})}
	go func() {
		defer close(w.done)
		w.unlock, w.err = s.Lock(ctx)
	}()
	return w
}

// got returns when the lock was taken.
func (w *waiting) got(tb testing.TB) (unlock func() error) {
	tb.Helper()
	<-w.done
	require.NoError(tb, w.err)
	return w.unlock
}

// A spy tells of the answers that a client has got to its scripts.
type spy struct{ answered chan struct{} }

func spyOn(client redis.UniversalClient) *spy {
	s := &spy{make(chan struct{}, 1000)}
	client.AddHook(s)
	return s
}

func (s *spy) DialHook(next redis.DialHook) redis.DialHook { return next }

func (s *spy) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

func (s *spy) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		err := next(ctx, cmd)
		script := cmd.Name() == "evalsha" || cmd.Name() == "eval"
		if script && !redis.HasErrorPrefix(err, "NOSCRIPT") {
			s.answered <- struct{}{}
		}
		return err
	}
}

// await returns when n more answers have come.
func (s *spy) await(n int) {
	for range n {
		<-s.answered
	}
}

// A watchedClock tells of the timers that are made.
type watchedClock struct {
	clock.Clock
	made chan time.Duration
}

func watch(c clock.Clock) *watchedClock { return &watchedClock{c, make(chan time.Duration, 10000)} }

func (c *watchedClock) NewTimer(d time.Duration) clock.Timer {
	timer := c.Clock.NewTimer(d)
	c.made <- d
	return timer
}

// await returns when a timer of d was made, and how many of others before.
func (c *watchedClock) await(d time.Duration) {
	for made := range c.made {
		if made == d {
			return
		}
	}
}

// stopped returns a clock on which nothing is ever due, as of a process that
// stands still.
func stopped() *clock.Fake { return clock.NewFake(time.Unix(1e9, 0)) }

// A wire is a client whose connections tell of the scripts that they have sent,
// and can lose an answer: the server has done as it was asked, and the client does
// not know.
type wire struct {
	*redis.Client
	sent chan struct{}
	lose atomic.Int32 // how many more answers
}

func newWire(server *redistest.Server, retries int) *wire {
	w := &wire{sent: make(chan struct{}, 1000)}
	options := server.Options()
	options.MaxRetries = retries
	options.Dialer = func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := (&net.Dialer{}).DialContext(ctx, network, addr)
		return &wireConn{conn, w}, err
	}
	w.Client = server.ClientWith(options)
	return w
}

// loseAnswer loses the answer to the next command.
func (w *wire) loseAnswer(tb testing.TB) {
	tb.Helper()
	require.NoError(tb, w.Ping(tb.Context()).Err()) // not that to a greeting
	w.lose.Store(1)
}

type wireConn struct {
	net.Conn
	wire *wire
}

func (c *wireConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if err == nil && c.wire.lose.Load() > 0 {
		c.wire.lose.Add(-1)
		return 0, errors.Join(io.EOF, c.Close())
	}
	return n, err
}

func (c *wireConn) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	if bytes.Contains(b, []byte("evalsha")) {
		c.wire.sent <- struct{}{}
	}
	return n, err
}
