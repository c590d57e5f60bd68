package main_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/agstest"
	agsauth "github.com/agsauth/agsauth/cmd/agsauth"
	"github.com/agsauth/agsauth/cmd/agsauth/internal/demo"
	"github.com/agsauth/agsauth/internal/multiproc"
)

// theStory is what every full run tells, in this order. The announcement of the
// end comes at a time of its own, but before the login.
func theStory() []string {
	return []string{
		"begins with a sign-on, as device PUB_1",
		"workers    start: 8 of them",
		"refresh 1  took ",
		"slows the gateway",
		"is on its way; nobody waits",
		"breaks the gateway",
		"is refused (503); again in ",
		"lost an answer; again at once",
		" calls; ",
		"has the API reject the current token",
		"API        rejected ",
		"session 2  logs in ",
		"session 1  is over; ",
		", 0 failed\n",
		"All of it happened, and no request failed.\n",
	}
}

// assertStory asserts that out has all these pieces, one after the other, on lines
// that fit a terminal.
func assertStory(t *testing.T, out string, pieces []string) {
	t.Helper()
	rest := out
	for _, piece := range pieces {
		_, after, found := strings.Cut(rest, piece)
		if !assert.True(t, found, "%q is missing after what came before it, in:\n%s", piece, out) {
			return
		}
		rest = after
	}
	announced, _, _ := strings.Cut(out, "session 2  logs in ")
	assert.Contains(t, announced, "session 1  announces its end in ")
	for line := range strings.Lines(out) {
		assert.LessOrEqual(t, utf8.RuneCountInString(strings.TrimSuffix(line, "\n")), 80, line)
		assert.NotContains(t, line, "…")
	}
}

// assertNoSecret asserts that out has none of what was sent to srv in confidence.
func assertNoSecret(t *testing.T, out string, srv *agstest.Server) {
	t.Helper()
	secrets := map[string]bool{agstest.DefaultPassword: true}
	for _, op := range []agstest.Op{agstest.API, agstest.Refresh} {
		for _, rq := range srv.Requests(op) {
			secrets[strings.TrimPrefix(rq.Reveal("Authorization"), "Bearer ")] = true
		}
	}
	require.Greater(t, len(secrets), 5, "the tokens that were used")
	for secret := range secrets {
		require.NotEmpty(t, secret)
		// The signature alone would do, to tell a token.
		assert.NotContains(t, out, secret[strings.LastIndex(secret, ".")+1:])
	}
}

// stage is a demo in a bubble, where a minute takes no time, and with workers who
// leave it at that.
type stage struct {
	server *agstest.Server
	out    strings.Builder
	errOut strings.Builder
}

func (s *stage) play(ctx context.Context, change func(*demo.Plan), args ...string) (status int) {
	return agsauth.RunWith(ctx, append([]string{"demo"}, args...), &s.out, &s.errOut, func(p *demo.Plan) {
		p.InMemory, p.Pause = true, 200*time.Millisecond
		p.Prepare = func(srv *agstest.Server) { s.server = srv }
		if change != nil {
			change(p)
		}
	})
}

// This is the one test on the machine's own clock and sockets. How long the demo
// takes is asserted by the test below, whose time is exact.
func TestDemo_FastOnARealClockAndNobodyNotices(t *testing.T) {
	multiproc.OptIn(t)
	got := run(t.Context(), "demo", "--fast")
	assert.Equal(t, 0, got.status, got.out)
	assert.Empty(t, got.errOut)
	assertStory(t, got.out, theStory())
}

func TestDemo_TellsEachActAndNoSecret(t *testing.T) {
	for _, tt := range []struct {
		name              string
		args              []string
		shortest, longest time.Duration
		refusals          int
	}{
		{"at a pace to read it", nil, 42 * time.Second, 46 * time.Second, 3},
		{"fast", []string{"--fast"}, 8 * time.Second, 9 * time.Second, 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var s stage
				begun := time.Now()
				require.Equal(t, 0, s.play(t.Context(), nil, tt.args...), s.out.String())
				took := time.Since(begun)
				assert.GreaterOrEqual(t, took, tt.shortest)
				assert.LessOrEqual(t, took, tt.longest)
				assert.Empty(t, s.errOut.String())
				assertStory(t, s.out.String(), theStory())
				assertNoSecret(t, s.out.String(), s.server)
				assert.Equal(t, tt.refusals, strings.Count(s.out.String(), "is refused (503)"))
				assert.Equal(t, 2, s.server.Count(agstest.SignOn))
			})
		})
	}
}

func TestDemo_FailedRequestsAreToldAndMakeItFail(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s stage
		status := s.play(t.Context(), func(p *demo.Plan) {
			p.Prepare = func(srv *agstest.Server) {
				s.server = srv
				srv.Script(agstest.API, agstest.Fault{},
					agstest.Fault{Status: http.StatusTeapot, Times: 6}, agstest.Fault{Kind: agstest.Garbage})
			}
		}, "--fast")
		assert.Equal(t, 1, status)
		assert.Zero(t, s.server.Pending(agstest.API))
		out := s.out.String()
		assert.Equal(t, 5, strings.Count(out, "workers    have a FAILED request: "), "the first few are told of")
		assert.Contains(t, out, "workers    have a FAILED request: status 418\n")
		assert.Contains(t, out, "    failed                       7\n")
		assert.Contains(t, out, "\nFAILED: 7 requests.\n")
		assert.NotContains(t, out, "MISSING")
		assert.NotContains(t, out, "All of it happened")
	})
}

func TestDemo_AnActThatDoesNotHappenMakesItFail(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s stage
		status := s.play(t.Context(), func(p *demo.Plan) { p.Session = time.Hour }, "--fast")
		assert.Equal(t, 1, status)
		assert.Equal(t, 1, s.server.Count(agstest.SignOn))
		out := s.out.String()
		assert.Contains(t, out, "MISSING: the announcement of the end: it did not happen in time.\n")
		assert.Contains(t, out, "MISSING: a re-login ahead of the end: it did not happen in time.\n")
		assert.Contains(t, out, "MISSING: the end of the first session: it did not happen in time.\n")
		assert.NotContains(t, out, "a slow refresh:")
		assert.NotContains(t, out, "FAILED")
	})
}

func TestDemo_SignOnRefusedIsAnError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s stage
		status := s.play(t.Context(), func(p *demo.Plan) {
			p.Prepare = func(srv *agstest.Server) {
				s.server = srv
				srv.SuspendAccount(agstest.DefaultAccountID)
			}
		})
		assert.Equal(t, 1, status)
		assert.Equal(t, 1, s.server.Count(agstest.SignOn))
		assert.Regexp(t, `^agsauth demo: sign on: .*20002.*\n$`, s.errOut.String())
		assert.NotContains(t, s.out.String(), "requests")
	})
}

func TestDemo_CtrlCEndsItAndSumsUp(t *testing.T) {
	for _, tt := range []struct {
		name  string
		after time.Duration
		told  string // by then
	}{
		{"during the sign-on", 50 * time.Millisecond, "Here are"},
		{"while all is well", time.Second, "workers    start"},
		{"during the slow refresh", 3150 * time.Millisecond, "is on its way"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), tt.after)
				defer cancel()
				var s stage
				begun := time.Now()
				assert.Equal(t, 130, s.play(ctx, nil, "--fast"))
				assert.Equal(t, tt.after, time.Since(begun), "nothing is waited for")
				out := s.out.String()
				assert.Contains(t, out, tt.told)
				assert.Contains(t, out, "    failed                       0\n")
				assert.True(t, strings.HasSuffix(out, "\nInterrupted.\n"), out)
				assert.NotContains(t, out, "MISSING")
				assert.NotContains(t, out, "lost an answer")
				assert.Empty(t, s.errOut.String())
			})
		})
	}
}
