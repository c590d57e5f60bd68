package harness

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/ags"
	"github.com/agsauth/agsauth/agstest"
	"github.com/agsauth/agsauth/clock"
	"github.com/agsauth/agsauth/tokensource"
)

const accessLifetime = time.Hour

// Env is the platform of one check: a gateway, a clock that the check advances, and a
// session. The session has no Login, so that its end is an error.
type Env struct {
	Gateway *agstest.Server
	Clock   *clock.Fake
	Source  *tokensource.Source
	// Log is where a client's own logger is to write.
	Log *Log

	mu       sync.Mutex // guards the rest
	issued   []string   // every token of the session
	received int        // requests that [Env.Accepts] has judged
	leaks    []string   // where a token was found
}

// NewEnv starts a platform, which is stopped when the test ends. The functions may change
// the configuration of the Source. On every error, the test fails.
func NewEnv(t *testing.T, configure ...func(*tokensource.Config)) *Env {
	t.Helper()
	e := &Env{Clock: clock.NewFake(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)), Log: &Log{}}
	e.Gateway = agstest.NewServer(agstest.Config{
		Clock: e.Clock, AccessLifetime: accessLifetime, AccessEndsWithSession: true, Quirks: agstest.Quirks{RejectionStatus: http.StatusUnauthorized},
	})
	t.Cleanup(e.Gateway.Close)
	gateway, err := ags.New(ags.Config{
		BaseURL: e.Gateway.URL, AuthServiceID: "Customer Auth Service", TenantID: "nagra", Clock: e.Clock, HTTPClient: e.Gateway.Client(),
	})
	require.NoError(t, err)
	token, err := gateway.SignOn(t.Context(), ags.SignOnRequest{
		Parameters: []ags.Parameter{
			{Name: "username", Value: agstest.DefaultUsername}, {Name: "password", Value: agstest.DefaultPassword},
		},
		DeviceInformation: []byte(`{"name":"integration"}`),
	})
	require.NoError(t, err)
	e.note(token)
	config := tokensource.Config{
		Refresher: noting{gateway, e}, Token: token, Clock: e.Clock,
		Logger: slog.New(slog.NewTextHandler(e.Log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	for _, change := range configure {
		change(&config)
	}
	e.Source, err = tokensource.New(config)
	require.NoError(t, err)
	t.Cleanup(func() { _ = e.Source.Close() })
	return e
}

// noting is a Refresher that notes the tokens it gets.
type noting struct {
	*ags.Client

	env *Env
}

// Refresh implements [tokensource.Refresher].
func (n noting) Refresh(ctx context.Context, t *ags.Token) (*ags.Token, error) {
	next, err := n.Client.Refresh(ctx, t)
	if err == nil {
		n.env.note(next)
	}
	return next, err
}

func (e *Env) note(t *ags.Token) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.issued = append(e.issued, t.AccessToken.Reveal())
	if !t.RefreshToken.IsZero() {
		e.issued = append(e.issued, t.RefreshToken.Reveal())
	}
}

// Accepts reports whether an API accepts the value of an Authorization field. Servers
// that are not HTTP handlers call it; others use [Env.Protect].
func (e *Env) Accepts(authorization string) bool {
	e.mu.Lock()
	e.received++
	e.mu.Unlock()
	scheme, token, ok := strings.Cut(authorization, " ")
	if !ok || !strings.EqualFold(scheme, "Bearer") {
		return false
	}
	info, ok := e.Gateway.Inspect(token)
	return ok && info.Live && !info.Refresh
}

// Received returns how many requests [Env.Accepts] has judged.
func (e *Env) Received() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.received
}

// Protect returns a handler that answers requests without a valid access token with a
// 401 and passes the others to next.
func (e *Env) Protect(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !e.Accepts(r.Header.Get("Authorization")) {
			w.Header().Set("WWW-Authenticate", `Bearer error="invalid_token"`)
			http.Error(w, "the token is not valid", http.StatusUnauthorized)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// Echo is a handler that answers with the request's body.
func Echo(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, "the body cannot be read", http.StatusBadRequest)
		return
	}
	_, _ = w.Write(body)
}

// NextLife advances the clock until the current access token has expired.
func (e *Env) NextLife() { e.Clock.Advance(accessLifetime + time.Second) }

// RejectCurrent makes the API reject the current access token, long before it expires.
// The gateway does not know.
func (e *Env) RejectCurrent(ctx context.Context) error {
	token, err := e.Source.TokenContext(ctx)
	if err != nil {
		return err
	}
	e.Gateway.RejectToken(token.AccessToken)
	return nil
}

// EndSession ends the session at the gateway. The next refresh is rejected.
func (e *Env) EndSession() {
	e.Gateway.RevokeSessions()
	e.NextLife()
}

// HasToken reports whether a text has a token of the session.
func (e *Env) HasToken(text string) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.ContainsFunc(e.issued, func(token string) bool { return strings.Contains(text, token) })
}

// search notes a leak if a text has a token of the session.
func (e *Env) search(where, text string) {
	if !e.HasToken(text) {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.leaks = append(e.leaks, where)
}

// found returns where tokens were found.
func (e *Env) found() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.leaks)
}

// Log collects what is written to it. It is safe for concurrent use.
type Log struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// Write implements [io.Writer].
func (l *Log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

// String returns what was written.
func (l *Log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}
