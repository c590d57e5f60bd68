package tokensource_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"

	"github.com/agsauth/agsauth/ags"
	"github.com/agsauth/agsauth/clock"
	"github.com/agsauth/agsauth/internal/scriptedgateway"
	"github.com/agsauth/agsauth/store"
	"github.com/agsauth/agsauth/tokensource"
)

// start is when every story begins: the issue time of the platform's own example.
var start = time.Date(2022, 6, 10, 15, 4, 53, 0, time.UTC)

// The horizons of the platform's own example.
const (
	access  = time.Hour
	sliding = 48 * time.Hour
	fixed   = 30 * 24 * time.Hour
)

// rig is a Source with everything around it scripted. Its tests run in a synctest
// bubble, which waits for goroutines; time itself comes from the fake clock.
type fixture struct {
	t      *testing.T
	clock  *clock.Fake
	gw     *gateway
	src    *tokensource.Source
	events *eventLog
	logs   *logBuffer
	memory *store.Memory // what several Sources share, in the stories that have them
}

// setToken hands in the first pair of another session.
func (f *fixture) setToken() func(context.Context) error {
	next := f.gw.signOn()
	return func(ctx context.Context) error { return f.src.SetToken(ctx, next) }
}

// source makes a Source on the rig's gateway and clock.
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

// ask returns the access token that a caller is given now, who does not wait
// longer than it takes all goroutines to come to rest.
func (f *fixture) ask() (string, error) {
	f.t.Helper()
	synctest.Wait()
	ctx, leave := context.WithCancel(f.t.Context())
	var tok *oauth2.Token
	var err error
	done := make(chan struct{})
	go func() { defer close(done); tok, err = f.src.TokenContext(ctx) }()
	synctest.Wait()
	leave()
	<-done
	synctest.Wait()
	if err != nil {
		return "", err
	}
	return tok.AccessToken, nil
}

// want asserts that a caller is given this access token at once.
func (f *fixture) want(accessToken string) {
	f.t.Helper()
	got, err := f.ask()
	require.NoError(f.t, err)
	require.Equal(f.t, accessToken, got)
}

// wantEnded asserts that a caller is told that the session has ended.
func (f *fixture) wantEnded(reason tokensource.Reason) *tokensource.LoginRequiredError {
	f.t.Helper()
	_, err := f.ask()
	var ended *tokensource.LoginRequiredError
	require.ErrorAs(f.t, err, &ended)
	require.ErrorIs(f.t, err, tokensource.ErrLoginRequired)
	require.Equal(f.t, reason.String(), ended.Reason.String())
	return ended
}

// wantUnavailable asserts that a caller is told at once to come back later.
func (f *fixture) wantUnavailable() *tokensource.UnavailableError {
	f.t.Helper()
	_, err := f.ask()
	var later *tokensource.UnavailableError
	require.ErrorAs(f.t, err, &later)
	return later
}

// callers starts n callers, and returns how to collect what they were told, once
// all has come to rest: events are told after callers.
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

// story runs a test in a bubble of its own, with a Source that was handed the
// gateway's first pair, unless set changes that.
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

// withLogin, withLoginOnly and withSignOut are changes to the Config of a story: a
// Login, a Login and no token, a gateway that can be signed out of.
func withLogin(f *fixture, c *tokensource.Config)     { c.Login = f.gw.login }
func withLoginOnly(f *fixture, c *tokensource.Config) { c.Login, c.Token = f.gw.login, nil }
func withSignOut(f *fixture, c *tokensource.Config)   { c.Refresher = f.gw }

// closeSource closes a Source. The only error that it may return then is of a session
// that could not be saved.
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

type answer struct {
	token string
	err   error
}

// gateway is a scripted gateway that grants the pairs a1/r1, a2/r2, … by the fixture's
// clock.
type gateway struct {
	*scriptedgateway.Gateway
	clock *clock.Fake

	mu                     sync.Mutex // guards all below
	access, sliding, fixed time.Duration
	fixedAt                time.Time // of the session; zero begins one with the next grant
	granted                int
	edit                   func(*ags.Token)
}

func newGateway(c *clock.Fake) *gateway {
	return &gateway{Gateway: scriptedgateway.New(c), clock: c, access: access, sliding: sliding, fixed: fixed}
}

func (g *gateway) Refresh(ctx context.Context, t *ags.Token) (*ags.Token, error) {
	if _, err := g.Refreshes.Answer(ctx, t); err != nil {
		return nil, err
	}
	return g.grant(), nil
}

// login is a LoginFunc.
func (g *gateway) login(ctx context.Context, ended *tokensource.LoginRequiredError) (*ags.Token, error) {
	if _, err := g.Logins.Answer(ctx, ended); err != nil {
		return nil, err
	}
	return g.signOn(), nil
}

// grant issues the next pair, as of now.
func (g *gateway) grant() *ags.Token {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.granted++
	now := g.clock.Now()
	if g.fixedAt.IsZero() && g.fixed > 0 {
		g.fixedAt = now.Add(g.fixed)
	}
	t := &ags.Token{
		AccessToken:    ags.NewSecret(fmt.Sprintf("a%d", g.granted)),
		RefreshToken:   ags.NewSecret(fmt.Sprintf("r%d", g.granted)),
		TokenType:      "bearer",
		ClientID:       "PUB_989",
		AccountID:      "1663",
		IssuedAt:       now,
		FixedExpiresAt: g.fixedAt,
	}
	if g.access > 0 {
		t.ExpiresAt = now.Add(g.access)
	}
	if g.sliding > 0 {
		t.RefreshExpiresAt = now.Add(g.sliding)
	}
	if g.edit != nil {
		g.edit(t)
	}
	return t
}

// signOn begins another session, and returns its first pair.
func (g *gateway) signOn() *ags.Token {
	g.mu.Lock()
	g.fixedAt = time.Time{}
	g.mu.Unlock()
	return g.grant()
}

// presented returns the refresh tokens of the refreshes, in order.
func (g *gateway) presented() (all []string) {
	for _, t := range g.Refreshes.Calls() {
		all = append(all, t.RefreshToken.Reveal())
	}
	return all
}

// signedOut returns the access tokens of the sign-outs, in order.
func (g *gateway) signedOut() (all []string) {
	for _, t := range g.SignOuts.Calls() {
		all = append(all, t.AccessToken.Reveal())
	}
	return all
}

// failSignOutOf makes the sign-outs of one access token fail.
func (g *gateway) failSignOutOf(accessToken string, err error) {
	g.SignOuts.Always(func(t *ags.Token) error {
		if t.AccessToken.Reveal() == accessToken {
			return err
		}
		return nil
	})
}

// withoutSignOut hides the gateway's SignOut.
type withoutSignOut struct{ tokensource.Refresher }

// The refusals of the platform.
var (
	errUnauthorized  = &ags.Error{Op: "refresh", Status: 401, Message: "unauthorised"}
	errDeviceDeleted = &ags.Error{Op: "refresh", Status: 403, Code: 20003, Message: "device deleted"}
	errSuspended     = &ags.Error{Op: "refresh", Status: 403, Code: 20002, Message: "account suspended"}
	errBusy          = &ags.Error{Op: "refresh", Status: 503, Message: "busy"}
	errLost          = &ags.Error{Op: "refresh", Message: "connection reset"}
	errRefused       = &ags.Error{Op: "refresh", NotSent: true, Message: "connection refused"}
)

// recorder keeps the events of a Source.
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

// kinds returns the kinds of the events so far, in words and in order.
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

// syncBuffer is a bytes.Buffer for several goroutines.
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

// begin starts a call that is not over when all goroutines have come to rest, and
// returns how to break it off and what it came to.
func begin(t *testing.T, call func(context.Context) error) (cancel func(), came <-chan error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	result := make(chan error, 1)
	go func() { result <- call(ctx) }()
	synctest.Wait()
	require.Empty(t, result)
	return cancel, result
}
