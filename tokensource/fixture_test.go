package tokensource_test

import (
	"bytes"
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"

	"github.com/agsauth/agsauth/clock"
	"github.com/agsauth/agsauth/store"
	"github.com/agsauth/agsauth/tokensource"
)

// start is when every scenario begins: the issue time in the platform's example.
var start = time.Date(2022, 6, 10, 15, 4, 53, 0, time.UTC)

// The lifetimes in the platform's example.
const (
	access  = time.Hour
	sliding = 48 * time.Hour
	fixed   = 30 * 24 * time.Hour
)

// fixture is a Source with a scripted gateway. Its tests run in a synctest bubble, which
// waits for goroutines; the time comes from the fake clock.
type fixture struct {
	t      *testing.T
	clock  *clock.Fake
	gw     *gateway
	src    *tokensource.Source
	events *eventLog
	logs   *logBuffer
	memory *store.Memory // shared by several Sources, in some scenarios
}

// setToken returns a SetToken of the first pair of another session.
func (f *fixture) setToken() func(context.Context) error {
	next := f.gw.signOn()
	return func(ctx context.Context) error { return f.src.SetToken(ctx, next) }
}

// source makes a Source on the fixture's gateway and clock.
func (f *fixture) source(set func(*fixture, *tokensource.Config)) *tokensource.Source {
	f.t.Helper()
	cfg := tokensource.Config{
		Refresher: withoutSignOut{f.gw},
		Token:     f.gw.grant(),
		Clock:     f.clock,
		Rand:      func() float64 { return 0 },
		OnEvent:   f.events.add,
		Logger:    slog.New(slog.NewTextHandler(f.logs, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	if set != nil {
		set(f, &cfg)
	}
	src, err := tokensource.New(cfg)
	require.NoError(f.t, err)
	return src
}

// ask asks for a token, and cancels the call when all goroutines have come to rest. It
// returns the access token.
func (f *fixture) ask() (string, error) {
	f.t.Helper()
	synctest.Wait()
	ctx, cancel := context.WithCancel(f.t.Context())
	var tok *oauth2.Token
	var err error
	done := make(chan struct{})
	go func() { defer close(done); tok, err = f.src.TokenContext(ctx) }()
	synctest.Wait()
	cancel()
	<-done
	synctest.Wait()
	if err != nil {
		return "", err
	}
	return tok.AccessToken, nil
}

// want asserts that a caller gets this access token at once.
func (f *fixture) want(accessToken string) {
	f.t.Helper()
	got, err := f.ask()
	require.NoError(f.t, err)
	require.Equal(f.t, accessToken, got)
}

// wantAny asserts that a caller gets some access token at once.
func (f *fixture) wantAny() {
	f.t.Helper()
	_, err := f.ask()
	require.NoError(f.t, err)
}

// wantEnded asserts that a caller gets a LoginRequiredError at once.
func (f *fixture) wantEnded(reason tokensource.Reason) *tokensource.LoginRequiredError {
	f.t.Helper()
	_, err := f.ask()
	var ended *tokensource.LoginRequiredError
	require.ErrorAs(f.t, err, &ended)
	require.ErrorIs(f.t, err, tokensource.ErrLoginRequired)
	require.Equal(f.t, reason.String(), ended.Reason.String())
	return ended
}

// wantUnavailable asserts that a caller gets an UnavailableError at once.
func (f *fixture) wantUnavailable() *tokensource.UnavailableError {
	f.t.Helper()
	_, err := f.ask()
	var later *tokensource.UnavailableError
	require.ErrorAs(f.t, err, &later)
	return later
}

// startCallers starts n callers. The function that it returns waits for their answers,
// and for the events, which are emitted after them.
func (f *fixture) startCallers(ctx context.Context, n int) func() []answer {
	answers := make([]answer, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			tok, err := f.src.TokenContext(ctx)
			if err == nil {
				answers[i].token = tok.AccessToken
			}
			answers[i].err = err
		})
	}
	synctest.Wait()
	return func() []answer { wg.Wait(); synctest.Wait(); return answers }
}

// scenario runs a test in its own bubble. Its Source has the gateway's first pair,
// unless set changes the Config.
func scenario(t *testing.T, set func(*fixture, *tokensource.Config), body func(*testing.T, *fixture)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		f.src = f.source(set)
		body(t, f)
		f.gw.Refreshes.Release()
		closeSource(t, f.src)
	})
}

// These change the Config of a scenario: a Login, a Login and no token, a gateway that
// supports sign-out, random numbers of 0.5 instead of 0.
func withLogin(f *fixture, c *tokensource.Config)      { c.Login = f.gw.login }
func withLoginOnly(f *fixture, c *tokensource.Config)  { c.Login, c.Token = f.gw.login, nil }
func withSignOut(f *fixture, c *tokensource.Config)    { c.Refresher = f.gw }
func withMedianRand(_ *fixture, c *tokensource.Config) { c.Rand = func() float64 { return 0.5 } }

// closeSource closes a Source. The only error that is allowed is that of an unsaved
// session.
func closeSource(t *testing.T, src *tokensource.Source) {
	t.Helper()
	if err := src.Close(); err != nil {
		require.ErrorContains(t, err, "the session is not saved")
		require.True(t, src.Status().Unsaved)
	}
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	c := clock.NewFake(start)
	return &fixture{t: t, clock: c, gw: newGateway(c), events: &eventLog{}, logs: &logBuffer{}}
}

// wantAll asserts that all callers get an access token.
func wantAll(t *testing.T, collect func() []answer, accessToken string) {
	t.Helper()
	for _, a := range collect() {
		require.Equal(t, answer{token: accessToken}, a)
	}
}

// startClose starts a Close, and returns its result.
func (f *fixture) startClose() <-chan error {
	result := make(chan error, 1)
	go func() { result <- f.src.Close() }()
	return result
}

// holdRefresh starts n callers whose refresh is not answered before Release.
func (f *fixture) holdRefresh(n int) (collect func() []answer) {
	f.t.Helper()
	f.want("a1")
	f.gw.Refreshes.Hold()
	f.clock.Advance(access)
	return f.startCallers(f.t.Context(), n)
}

type answer struct {
	token string
	err   error
}

// eventLog records the events of a Source.
type eventLog struct {
	mu     sync.Mutex
	events []tokensource.Event
}

func (r *eventLog) add(e tokensource.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = append(r.events, e)
}

func (r *eventLog) all() []tokensource.Event {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.events)
}

// kinds returns the kinds of the events so far, in order.
func (r *eventLog) kinds() []string {
	var kinds []string
	for _, e := range r.all() {
		kinds = append(kinds, e.Kind.String())
	}
	return kinds
}

func (r *eventLog) count(kind tokensource.Kind) int {
	n := 0
	for _, e := range r.all() {
		if e.Kind == kind {
			n++
		}
	}
	return n
}

// logBuffer is a bytes.Buffer that is safe for concurrent use.
type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *logBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *logBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// closed reports whether a channel is closed.
func closed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// lines returns the lines of a log that contain word.
func lines(log, word string) int {
	n := 0
	for line := range strings.Lines(log) {
		if strings.Contains(line, word) {
			n++
		}
	}
	return n
}

// begin starts a call that still waits when all goroutines have come to rest. It
// returns how to cancel the call, and its result.
func begin(t *testing.T, call func(context.Context) error) (cancel func(), returned <-chan error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	result := make(chan error, 1)
	go func() { result <- call(ctx) }()
	synctest.Wait()
	require.Empty(t, result)
	return cancel, result
}
