package demo_test

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/charmbracelet/x/ansi"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/agstest"
	"github.com/agsauth/agsauth/cmd/agsauth/internal/demo"
	"github.com/agsauth/agsauth/cmd/agsauth/internal/exit"
	"github.com/agsauth/agsauth/internal/multiproc"
)

// script returns what every full run prints, in this order. The warning before the
// session's end is not in it: it comes at any time before the login.
func script() []string {
	return []string{
		"starts with a sign-on as device PUB_1",
		"workers    start: 8 of them",
		"refresh 1  took ",
		"slows the gateway",
		"is in progress; nobody waits",
		"breaks the gateway",
		"was refused (503); retry in ",
		"lost a response; retries at once",
		" calls; ",
		"makes the API reject the current token",
		"API        rejected ",
		"session 2  logs in ",
		"session 1  is over; ",
		", 0 failed\n",
		"Every step happened, and no request failed.\n",
	}
}

// assertScript asserts that out has the whole script, on lines that fit a terminal.
func assertScript(t *testing.T, out string) {
	t.Helper()
	rest := out
	for _, piece := range script() {
		_, after, found := strings.Cut(rest, piece)
		require.True(t, found, "%q is missing at its place in:\n%s", piece, out)
		rest = after
	}
	beforeLogin, _, _ := strings.Cut(out, "session 2  logs in ")
	assert.Contains(t, beforeLogin, "session 1  will end in ")
	for line := range strings.Lines(out) {
		assert.LessOrEqual(t, utf8.RuneCountInString(strings.TrimSuffix(line, "\n")), 80, line)
		assert.NotContains(t, line, "…")
	}
}

// assertNoSecret asserts that out has no secret that was sent to srv.
func assertNoSecret(t *testing.T, out string, srv *agstest.Server) {
	t.Helper()
	secrets := map[string]bool{agstest.DefaultPassword: true}
	for _, op := range []agstest.Op{agstest.API, agstest.Refresh} {
		for _, rq := range srv.Requests(op) {
			secrets[strings.TrimPrefix(rq.Reveal("Authorization"), "Bearer ")] = true
		}
	}
	require.Greater(t, len(secrets), 5, "the tokens in use")
	for secret := range secrets {
		require.NotEmpty(t, secret)
		assert.NotContains(t, out, secret[strings.LastIndex(secret, ".")+1:], "the signature of a token")
	}
}

// demoRun runs the command in a synctest bubble, with workers that make few requests.
type demoRun struct {
	server *agstest.Server
	out    strings.Builder
	err    error
}

// run runs cmd, and returns the exit status.
func (r *demoRun) run(ctx context.Context, adjust func(*demo.Plan), cmd demo.Command) (status int) {
	cmd.Out, cmd.Adjust = &r.out, func(p *demo.Plan) {
		p.InMemory, p.Pause = true, 200*time.Millisecond
		if adjust != nil {
			adjust(p)
		}
		prepare := p.Prepare
		p.Prepare = func(srv *agstest.Server) {
			r.server = srv
			if prepare != nil {
				prepare(srv)
			}
		}
	}
	r.err = cmd.Run(ctx)
	return exit.StatusOf(r.err)
}

// fast is the command, in nine seconds. onScreen draws.
var (
	fast     = demo.Command{Fast: true}
	onScreen = demo.Command{Fast: true, Width: 80, Height: 24}
)

// This test alone uses the system's clock and sockets. The duration of the demo is
// asserted below, on a fake clock.
func TestDemo_FastOnARealClock(t *testing.T) {
	multiproc.OptIn(t)
	var out strings.Builder
	require.NoError(t, demo.Command{Out: &out, Fast: true}.Run(t.Context()), out.String())
	assertScript(t, out.String())
}

func TestDemo_PrintsScriptAndNoSecret(t *testing.T) {
	for _, tt := range []struct {
		name              string
		cmd               demo.Command
		shortest, longest time.Duration
		refusals          int
	}{
		{"normal", demo.Command{}, 42 * time.Second, 46 * time.Second, 3},
		{"fast", fast, 8 * time.Second, 9 * time.Second, 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var r demoRun
				start := time.Now()
				require.Equal(t, 0, r.run(t.Context(), nil, tt.cmd), r.out.String())
				took := time.Since(start)
				assert.GreaterOrEqual(t, took, tt.shortest)
				assert.LessOrEqual(t, took, tt.longest)
				assertScript(t, r.out.String())
				assertNoSecret(t, r.out.String(), r.server)
				assert.Equal(t, tt.refusals, strings.Count(r.out.String(), "was refused (503)"))
				assert.Equal(t, 2, r.server.Count(agstest.SignOn))
			})
		})
	}
}

func TestDemo_FailedRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r demoRun
		status := r.run(t.Context(), func(p *demo.Plan) {
			p.Prepare = func(srv *agstest.Server) {
				srv.Script(agstest.API, agstest.Fault{},
					agstest.Fault{Status: http.StatusTeapot, Times: 6}, agstest.Fault{Kind: agstest.Garbage})
			}
		}, fast)
		assert.Equal(t, 1, status)
		assert.Zero(t, r.server.Pending(agstest.API))
		out := r.out.String()
		assert.Equal(t, 5, strings.Count(out, "workers    have a FAILED request: "), "only the first few are logged")
		assert.Contains(t, out, "workers    have a FAILED request: status 418\n")
		assert.Contains(t, out, "    failed                       7\n")
		assert.Contains(t, out, "\nFAILED: 7 requests.\n")
		assert.NotContains(t, out, "MISSING")
		assert.NotContains(t, out, "Every step happened")
	})
}

func TestDemo_MissingStep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r demoRun
		status := r.run(t.Context(), func(p *demo.Plan) { p.Session = time.Hour }, fast)
		assert.Equal(t, 1, status)
		assert.Equal(t, 1, r.server.Count(agstest.SignOn))
		out := r.out.String()
		assert.Contains(t, out, "MISSING: the warning before the session's end: it did not happen in time.\n")
		assert.Contains(t, out, "MISSING: a login before the session's end: it did not happen in time.\n")
		assert.Contains(t, out, "MISSING: the end of the first session: it did not happen in time.\n")
		assert.NotContains(t, out, "a slow refresh:")
		assert.NotContains(t, out, "FAILED")
	})
}

func TestDemo_SignOnRefused(t *testing.T) {
	for _, width := range []int{0, 80} {
		synctest.Test(t, func(t *testing.T) {
			var r demoRun
			status := r.run(t.Context(), func(p *demo.Plan) {
				p.Prepare = func(srv *agstest.Server) { srv.SuspendAccount(agstest.DefaultAccountID) }
			}, demo.Command{Width: width, Height: 24})
			assert.Equal(t, 1, status)
			assert.Equal(t, 1, r.server.Count(agstest.SignOn))
			require.ErrorContains(t, r.err, "demo: sign on: ")
			assert.ErrorContains(t, r.err, "20002")
			assert.NotContains(t, r.out.String(), "requests  ")
		})
	}
}

func TestDemo_LongLinesAreCut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r demoRun
		assert.Equal(t, 1, r.run(t.Context(), func(p *demo.Plan) {
			p.Prepare = func(srv *agstest.Server) {
				srv.Always(agstest.Refresh, agstest.Fault{Status: http.StatusServiceUnavailable})
			}
		}, fast))
		assert.Contains(t, r.out.String(), "…\n")
		for line := range strings.Lines(r.out.String()) {
			assert.LessOrEqual(t, utf8.RuneCountInString(strings.TrimSuffix(line, "\n")), 80, line)
		}
	})
}

func TestDemo_Interrupted(t *testing.T) {
	for _, tt := range []struct {
		name   string
		after  time.Duration
		logged string // by then
	}{
		{"during the sign-on", 50 * time.Millisecond, "A gateway"},
		{"during normal work", time.Second, "workers    start"},
		{"during the slow refresh", 3150 * time.Millisecond, "is in progress"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), tt.after)
				defer cancel()
				var r demoRun
				start := time.Now()
				assert.Equal(t, 130, r.run(ctx, nil, fast))
				assert.Equal(t, tt.after, time.Since(start), "it waits for nothing")
				out := r.out.String()
				assert.Contains(t, out, tt.logged)
				assert.Contains(t, out, "    failed                       0\n")
				assert.True(t, strings.HasSuffix(out, "\nInterrupted.\n"), out)
				assert.NotContains(t, out, "MISSING")
				assert.NotContains(t, out, "lost a response")
			})
		})
	}
}

func TestDemo_OnAScreenThePictureAndTheReportRemain(t *testing.T) {
	for _, tt := range []struct {
		name    string
		limit   time.Duration
		status  int
		verdict string
	}{
		{"to the end", time.Minute, 0, "Every step happened, and no request failed.\n"},
		{"interrupted", time.Second, 130, "Interrupted.\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), tt.limit)
				defer cancel()
				var r demoRun
				assert.Equal(t, tt.status, r.run(ctx, nil, onScreen))
				assert.Positive(t, r.server.Count(agstest.API))
				_, remains, found := strings.Cut(r.out.String(), "\x1b[?1049l")
				require.True(t, found, "the normal screen is back")
				assert.Contains(t, remains, "── events ─")
				assert.Contains(t, remains, "\n  requests  ")
				assert.True(t, strings.HasSuffix(remains, tt.verdict), remains)
				assert.NotContains(t, remains, "A gateway, ")
				assert.NotContains(t, ansi.Strip(remains), "q quit")
				if tt.status == 0 {
					assert.Contains(t, ansi.Strip(remains), "failed 0\n")
					assert.Contains(t, remains, "\nsession 2 ")
					assertNoSecret(t, r.out.String(), r.server)
				}
			})
		})
	}
}

// full is an output that can take nothing.
type full struct{}

func (full) Write([]byte) (int, error) { return 0, io.ErrShortWrite }

func TestDemo_TheReportCannotBeWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		adjust := func(p *demo.Plan) { p.InMemory, p.Pause = true, 200*time.Millisecond }
		err := demo.Command{Fast: true, Out: full{}, Adjust: adjust}.Run(t.Context())
		require.ErrorIs(t, err, io.ErrShortWrite)
		assert.Equal(t, exit.Failure, exit.StatusOf(err))
	})
}

func TestDemo_PlainPrintsLinesOnAScreenToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r demoRun
		assert.Equal(t, 0, r.run(t.Context(), nil, demo.Command{Fast: true, Plain: true, Width: 80, Height: 24}))
		assert.Equal(t, 2, r.server.Count(agstest.SignOn))
		assert.NotContains(t, r.out.String(), "\x1b")
		assertScript(t, r.out.String())
	})
}
