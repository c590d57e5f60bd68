package ags_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"
	"os"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/ags"
	"github.com/agsauth/agsauth/agstest"
	"github.com/agsauth/agsauth/internal/faultproxy"
)

// outcome is the result of a refresh with a fault.
type outcome struct {
	class     error
	status    int
	malformed bool
	text      string
}

// outcomes are the results of all faults that are not harmless.
func outcomes() map[string]outcome {
	const none = 0
	unavailable := func(text string) outcome { return outcome{ags.ErrUnavailable, none, false, text} }
	malformedWith := func(status int, text string) outcome { return outcome{ags.ErrProtocol, status, true, text} }
	return map[string]outcome{
		"not TLS":                                     unavailable("HTTP response to HTTPS client"),
		"a handshake cut short":                       unavailable("EOF"),
		"a handshake without an answer":               unavailable("context canceled"),
		"a certificate of another name":               unavailable("certificate"),
		"a certificate that has expired":              unavailable("expired"),
		"a certificate of an authority unknown":       unavailable("unknown authority"),
		"reset at once":                               unavailable(""),
		"reset before the server sees the request":    unavailable(""),
		"reset after the server has answered":         unavailable(""),
		"half an answer, then the end":                malformedWith(200, "truncated"),
		"half an answer, then a reset":                {}, // the part that arrives varies
		"a byte at a time":                            unavailable("context canceled"),
		"a black hole":                                unavailable("context canceled"),
		"a compressed bomb":                           malformedWith(200, "longer than 1 MiB"),
		"a bomb in an encoding that nobody asked for": malformedWith(200, "not JSON"),
		"one huge header":                             unavailable("headers exceeded"),
		"headers without end":                         unavailable("headers exceeded"),
		"interim answers without end":                 unavailable("headers exceeded"),
		"a body without end":                          malformedWith(200, "longer than 1 MiB"),
		"a body without end, in chunks":               malformedWith(200, "longer than 1 MiB"),
		"a length too long, then the end":             malformedWith(200, "truncated"),
		"a length too long, then silence":             {}, // the part that was read varies
		"a length too short":                          malformedWith(200, "truncated"),
		"garbage before the status line":              unavailable("malformed HTTP"),
		"garbage alone":                               unavailable("malformed HTTP"),
		"no answer at all":                            unavailable("EOF"),
		"a redirect to a stranger":                    malformedWith(307, "not one of the gateway's"),
	}
}

// faultClient is a signed-on client behind a faulty proxy.
type faultClient struct {
	srv    *agstest.Server
	proxy  *faultproxy.Proxy
	client *ags.Client
	token  *ags.Token
	log    *logBuffer
}

// newFaultClient signs on without a fault.
func newFaultClient(t *testing.T, gateway agstest.Config, change func(*ags.Config)) *faultClient {
	t.Helper()
	f := &faultClient{srv: agstest.NewServer(gateway), log: &logBuffer{}}
	t.Cleanup(f.srv.Close)
	log.SetOutput(f.log)
	t.Cleanup(func() { log.SetOutput(os.Stderr) })
	f.proxy = faultproxy.New(t, f.srv.URL)
	cfg := ags.Config{
		BaseURL: f.proxy.URL, AuthServiceID: "Customer Auth Service", TenantID: "nagra",
		HTTPClient: &http.Client{Transport: f.proxy.Transport()}, Retry: ags.Retry{Max: -1},
	}
	if change != nil {
		change(&cfg)
	}
	var err error
	f.client, err = ags.New(cfg)
	require.NoError(t, err)
	f.token, err = f.client.SignOn(t.Context(), signOnRequest())
	require.NoError(t, err)
	return f
}

func signOnRequest() ags.SignOnRequest {
	return ags.SignOnRequest{
		Parameters: []ags.Parameter{
			{Name: "username", Value: agstest.DefaultUsername}, {Name: "password", Value: agstest.DefaultPassword},
		},
		DeviceInformation: []byte(`{"deviceType":"STB"}`),
	}
}

// refresh refreshes once. If the fault blocks the call forever, refresh cancels it.
func (f *faultClient) refresh(t *testing.T, h faultproxy.Scenario) (*ags.Token, error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	if !h.Stuck {
		return f.client.Refresh(ctx, f.token)
	}
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() {
		f.proxy.AwaitStuck()
		cancel()
	})
	return f.client.Refresh(ctx, f.token)
}

// wantNoSecret asserts that neither the error nor the standard log contains a secret.
func (f *faultClient) wantNoSecret(t *testing.T, err error) {
	t.Helper()
	printed := fmt.Sprintf("%v %+v %#v %q %s", err, err, err, err, f.log.String())
	for _, secret := range []ags.Secret{f.token.AccessToken, f.token.RefreshToken} {
		assert.NotContains(t, printed, secret.Reveal())
	}
	assert.NotContains(t, printed, "refresh_token", "no part of a response is quoted")
}

// Every fault ends in an error with the facts that a caller needs, and the next attempt
// succeeds.
func TestRough_EveryHazardOfARefresh(t *testing.T) {
	f := newFaultClient(t, agstest.Config{ReusableRefreshTokens: true}, nil)
	wanted := outcomes()
	for _, h := range faultproxy.Scenarios(t, f.proxy) {
		t.Run(h.Name, func(t *testing.T) {
			v, known := wanted[h.Name]
			require.NotEqual(t, known, h.Harmless, "the fault has no outcome")
			before := f.srv.Count(agstest.Refresh)
			f.proxy.Set(h.Fault)
			_, err := f.refresh(t, h)
			f.proxy.AwaitClosed()
			f.wantNoSecret(t, err)
			if h.Harmless {
				require.NoError(t, err)
			} else {
				v.check(t, h, asError(t, err))
			}
			if h.Unsent {
				assert.Equal(t, before, f.srv.Count(agstest.Refresh))
			}

			f.proxy.Set(nil)
			next, err := f.refresh(t, faultproxy.Scenario{})
			require.NoError(t, err, "the next attempt")
			assert.NotEqual(t, f.token.AccessToken.Reveal(), next.AccessToken.Reveal())
		})
	}
}

func (v outcome) check(t *testing.T, h faultproxy.Scenario, e *ags.Error) {
	t.Helper()
	assert.Equal(t, "refresh", e.Op)
	assert.Equal(t, h.Unsent, e.NotSent, "%v", e)
	assert.False(t, e.OutcomeUnknown, "there was no earlier attempt")
	require.NotErrorIs(t, e, ags.ErrUnauthorized)
	if v.class == nil {
		assert.True(t, errors.Is(e, ags.ErrUnavailable) || errors.Is(e, ags.ErrProtocol))
		return
	}
	require.ErrorIs(t, e, v.class)
	assert.Equal(t, v.status, e.Status)
	assert.Equal(t, v.malformed, e.Malformed)
	assert.Contains(t, e.Error(), v.text)
}

// net/http logs data that follows a response on an idle connection. It may be tokens.
func TestRough_NothingIsLoggedOfWhatFollowsAnAnswer(t *testing.T) {
	f := newFaultClient(t, agstest.Config{ReusableRefreshTokens: true}, nil)
	for _, fault := range []faultproxy.Fault{faultproxy.Edit(faultproxy.TooShort), faultproxy.Edit(faultproxy.Twice)} {
		f.proxy.Set(fault)
		_, _ = f.refresh(t, faultproxy.Scenario{})
		f.proxy.AwaitClosed()
		assert.Empty(t, f.log.String())
	}
	assert.Equal(t, 2, f.srv.Count(agstest.Refresh))
}

// The refresh token is valid once. If only the response was lost, the retry is rejected
// and its error has OutcomeUnknown.
func TestFaults_LostResponseIsRetriedOnce(t *testing.T) {
	again := func(cfg *ags.Config) { cfg.Retry = ags.Retry{Max: 1, Min: time.Millisecond} }
	for name, c := range map[string]struct {
		fault   faultproxy.Fault
		granted bool
	}{
		"reset at once": {fault: faultproxy.ResetAtOnce, granted: true},
		"reset before the server sees the request": {fault: faultproxy.ResetBefore, granted: true},
		"not TLS":                             {fault: faultproxy.NotTLS, granted: true},
		"reset after the server has answered": {fault: faultproxy.ResetAfter},
		"half an answer, then the end":        {fault: faultproxy.HalfThenEnd},
		"a length too long, then the end":     {fault: faultproxy.Edit(faultproxy.TooLong)},
		"garbage before the status line":      {fault: faultproxy.Edit(faultproxy.EchoCredentials)},
		// Incomplete JSON counts as truncated.
		"a length too short": {fault: faultproxy.Edit(faultproxy.TooShort)},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFaultClient(t, agstest.Config{}, again)
			f.proxy.Set(faultproxy.Once(c.fault))
			_, err := f.refresh(t, faultproxy.Scenario{})
			f.proxy.AwaitClosed()
			f.wantNoSecret(t, err)
			if c.granted {
				require.NoError(t, err)
			} else {
				require.ErrorIs(t, err, ags.ErrUnauthorized)
				assert.True(t, asError(t, err).OutcomeUnknown)
			}
			assert.Equal(t, !c.granted, f.srv.Stats().Reuses > 0)
		})
	}
}

// A sign-on may register a device each time.
func TestFaults_SignOnIsRetriedOnlyIfUnsent(t *testing.T) {
	again := func(cfg *ags.Config) { cfg.Retry = ags.Retry{Max: 1, Min: time.Millisecond} }
	for name, c := range map[string]struct {
		fault   faultproxy.Fault
		granted bool
	}{
		"reset at once":                            {faultproxy.ResetAtOnce, true},
		"a handshake cut short":                    {faultproxy.CutHandshake, true},
		"reset before the server sees the request": {faultproxy.ResetBefore, false},
		"reset after the server has answered":      {faultproxy.ResetAfter, false},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFaultClient(t, agstest.Config{}, again)
			before, trips := f.srv.Count(agstest.SignOn), f.proxy.Connections()
			f.proxy.Set(faultproxy.Once(c.fault))
			_, err := f.client.SignOn(t.Context(), signOnRequest())
			if c.granted {
				require.NoError(t, err)
				assert.Equal(t, trips+2, f.proxy.Connections())
			} else {
				require.ErrorIs(t, err, ags.ErrUnavailable)
				assert.False(t, asError(t, err).NotSent)
				assert.Equal(t, trips+1, f.proxy.Connections())
			}
			assert.LessOrEqual(t, f.srv.Count(agstest.SignOn), before+1)
			assert.NotContains(t, fmt.Sprintf("%v %#v", err, err), agstest.DefaultPassword)
		})
	}
}

// A compressed body is bounded as it is received, and not decompressed.
func TestRough_ABombIsNotUnpacked(t *testing.T) {
	f := newFaultClient(t, agstest.Config{ReusableRefreshTokens: true}, nil)
	for _, encoding := range []string{"gzip", "br", "gzip, gzip"} {
		f.proxy.Set(faultproxy.Bomb(200, encoding))
		size := allocated(func() { _, _ = f.refresh(t, faultproxy.Scenario{}) })
		assert.Less(t, size, uint64(faultproxy.BombSize/16), encoding)
		f.proxy.AwaitClosed()
	}
}

// allocated returns how many bytes were allocated while f ran.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// logBuffer keeps what was logged.
type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
