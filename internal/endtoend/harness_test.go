package endtoend_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/ags"
	"github.com/agsauth/agsauth/agstest"
	"github.com/agsauth/agsauth/clock"
	"github.com/agsauth/agsauth/internal/leak"
	"github.com/agsauth/agsauth/tokensource"
	"github.com/agsauth/agsauth/transport"
)

// options configure a stack. The zero value is a gateway with its defaults and a source
// that has signed on, without Login and Store.
type options struct {
	platform agstest.Config
	gateway  func(*ags.Config)
	source   func(*stack, *tokensource.Config)
	// noSignOn skips the first sign-on: the source begins without a token.
	noSignOn bool
}

// stack is everything a program uses: a simulated gateway and API, the gateway's client,
// a token source, and an HTTP client with the transport.
type stack struct {
	t      *testing.T
	srv    *agstest.Server
	gw     *ags.Client
	clock  clock.Clock
	token  *ags.Token // of the first sign-on
	src    *tokensource.Source
	client *http.Client
	events *eventLog
	logs   *logBuffer
}

// inBubble runs a test with a stack in a synctest bubble, where all parts share the fake
// system clock. The test fails if a goroutine is left behind.
func inBubble(t *testing.T, opts options, test func(t *testing.T, s *stack)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		// Begin at a fraction of a second: claims have whole seconds.
		time.Sleep(640 * time.Millisecond)
		opts.platform.InMemory = true
		s := newStack(t, opts)
		test(t, s)
		require.NoError(t, s.src.Close())
		s.srv.Close()
	})
}

// overLoopback runs a test with a stack over real connections, on the clock of
// opts.platform.
func overLoopback(t *testing.T, opts options, test func(t *testing.T, s *stack)) {
	t.Helper()
	t.Parallel()
	s := newStack(t, opts)
	defer s.srv.Close()
	test(t, s)
	require.NoError(t, s.src.Close())
}

func newStack(t *testing.T, opts options) *stack {
	t.Helper()
	s := &stack{t: t, srv: agstest.NewServer(opts.platform), clock: opts.platform.Clock, events: newEventLog(), logs: &logBuffer{}}
	if s.clock == nil {
		s.clock = clock.Real{}
	}
	t.Cleanup(s.srv.Close)
	cfg := ags.Config{
		BaseURL: s.srv.URL, AuthServiceID: "Customer Auth Service", TenantID: "nagra",
		HTTPClient: s.srv.Client(), Clock: s.clock,
	}
	if opts.gateway != nil {
		opts.gateway(&cfg)
		s.clock = cfg.Clock
	}
	gw, err := ags.New(cfg)
	require.NoError(t, err)
	s.gw = gw
	if !opts.noSignOn {
		s.token, err = gw.SignOn(t.Context(), newDevice())
		require.NoError(t, err)
	}
	s.src = s.source(opts.source)
	s.client = s.clientOf(s.src)
	return s
}

// source returns a token source at the stack's gateway. Its refresh margin has no random
// part, so that a test knows the time of each refresh.
func (s *stack) source(set func(*stack, *tokensource.Config)) *tokensource.Source {
	s.t.Helper()
	cfg := tokensource.Config{
		Refresher: s.gw,
		Token:     s.token,
		Clock:     s.clock,
		Rand:      func() float64 { return 0 },
		OnEvent:   s.events.add,
		Logger:    slog.New(slog.NewJSONHandler(s.logs, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	if set != nil {
		set(s, &cfg)
	}
	src, err := tokensource.New(cfg)
	require.NoError(s.t, err)
	return src
}

// clientOf returns an HTTP client that gets its tokens from src.
func (s *stack) clientOf(src *tokensource.Source) *http.Client {
	c := s.srv.Client()
	c.Transport = &transport.Transport{Source: src, Base: c.Transport}
	return c
}

// newDevice returns the sign-on request of the default user on a new device.
func newDevice() ags.SignOnRequest {
	return ags.SignOnRequest{
		Parameters: []ags.Parameter{
			{Name: "username", Value: agstest.DefaultUsername},
			{Name: "password", Value: agstest.DefaultPassword},
		},
		DeviceInformation: json.RawMessage(`{"deviceType":"STB"}`),
	}
}

// withLogin configures a source that signs on by itself.
func withLogin(s *stack, cfg *tokensource.Config) {
	cfg.Login = tokensource.SignOnWith(s.gw, newDevice())
}

// get sends a GET request to the API.
func (s *stack) get(ctx context.Context) reply {
	return send(ctx, s.client, http.MethodGet, s.srv.URL+"/api/profile", "")
}

// reply is the result of one request to the API.
type reply struct {
	echo   agstest.Echo
	status int
	err    error
}

// asError returns an error unless the API accepted the request.
func (r reply) asError() error {
	if r.err == nil && r.status != http.StatusOK {
		return fmt.Errorf("status %d", r.status)
	}
	return r.err
}

// send sends one request with the client c.
func send(ctx context.Context, c *http.Client, method, url, body string) reply {
	req, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		return reply{err: err}
	}
	resp, err := c.Do(req)
	if err != nil {
		return reply{err: err}
	}
	defer resp.Body.Close()
	r := reply{status: resp.StatusCode}
	data, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err == nil && resp.StatusCode == http.StatusOK {
		err = json.Unmarshal(data, &r.echo)
	}
	r.err = err
	return r
}

// sleep advances the time of the bubble, and waits until all goroutines block.
func sleep(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// callStats sums up the calls of concurrent callers. It is safe for concurrent use.
type callStats struct {
	mu      sync.Mutex
	calls   int
	slowest time.Duration
	errs    []error
}

func (c *callStats) add(took time.Duration, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.calls++
	c.slowest = max(c.slowest, took)
	if err != nil {
		c.errs = append(c.errs, err)
	}
}

// poll calls the API with n concurrent callers, once per interval each, evenly spread,
// and returns after the given duration. It uses the system clock.
func (s *stack) poll(n int, interval, duration time.Duration) *callStats {
	s.t.Helper()
	var stats callStats
	var wg sync.WaitGroup
	end := time.Now().Add(duration)
	for i := range n {
		wg.Go(func() {
			time.Sleep(interval * time.Duration(i) / time.Duration(n))
			for time.Now().Before(end) {
				begin := time.Now()
				err := s.get(s.t.Context()).asError()
				stats.add(time.Since(begin), err)
				time.Sleep(interval)
			}
		})
	}
	wg.Wait()
	return &stats
}

// burst sends n requests to the API at once.
func (s *stack) burst(n int) []reply {
	replies := make([]reply, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { replies[i] = s.get(s.t.Context()) })
	}
	wg.Wait()
	return replies
}

func TestMain(m *testing.M) { leak.Main(m) }

// isClosed reports whether a channel is closed.
func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// run calls src.Run in the background, and returns a channel with its result.
func (s *stack) run(src *tokensource.Source) (stopped <-chan error) {
	s.t.Helper()
	c := make(chan error, 1)
	go func() { c <- src.Run(s.t.Context()) }()
	return c
}
