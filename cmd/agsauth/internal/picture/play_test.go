package picture_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/charmbracelet/x/ansi"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/agstest"
	"github.com/agsauth/agsauth/cmd/agsauth/internal/demo"
	"github.com/agsauth/agsauth/cmd/agsauth/internal/picture"
)

// stage is a plan in a bubble, and the server it is played with.
type stage struct{ server *agstest.Server }

func (s *stage) plan() demo.Plan {
	plan := demo.Fast()
	plan.InMemory, plan.Pause = true, 100*time.Millisecond
	plan.Prepare = func(srv *agstest.Server) { s.server = srv }
	return plan
}

func line(m demo.Moment) string { return fmt.Sprintf("at %v: %d", m.At, m.Kind) }

func screen(out io.Writer, in io.Reader) picture.Screen {
	return picture.Screen{In: in, Out: out, Environ: []string{"TERM=xterm-256color"}, Width: 80, Height: 24}
}

func TestPlay_EndsByItselfAndLeavesThePicture(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s stage
		var out bytes.Buffer
		report, err := picture.Play(t.Context(), s.plan(), screen(&out, nil), line)
		require.NoError(t, err)
		assert.True(t, report.OK(), "%+v", report)
		assert.Equal(t, 2, s.server.Count(agstest.SignOn))

		_, left, found := strings.Cut(out.String(), ansi.ResetModeAltScreenSaveCursor)
		require.True(t, found, "the usual screen is back")
		left = ansi.Strip(left)
		assert.Contains(t, left, fmt.Sprintf("%d requests   0 failed", report.Requests))
		assert.Contains(t, left, "session 2 ")
		assert.NotContains(t, left, "quit")
		assertNoSecret(t, out.String(), s.server)
	})
}

func assertNoSecret(t *testing.T, out string, srv *agstest.Server) {
	t.Helper()
	var secrets []string
	for _, op := range []agstest.Op{agstest.API, agstest.Refresh} {
		for _, rq := range srv.Requests(op) {
			secrets = append(secrets, strings.TrimPrefix(rq.Reveal("Authorization"), "Bearer "))
		}
	}
	require.Greater(t, len(secrets), 5)
	for _, secret := range append(secrets, agstest.DefaultPassword) {
		assert.NotContains(t, out, secret[strings.LastIndex(secret, ".")+1:])
	}
}

// keyboard is typed on by a test.
type keyboard struct{ keys chan string }

func (k keyboard) Read(p []byte) (int, error) {
	key, more := <-k.keys
	if !more {
		return 0, io.EOF
	}
	return copy(p, key), nil
}

func TestPlay_KeysMeddleAndQuit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s stage
		var out bytes.Buffer
		typed := keyboard{make(chan string)}
		go func() {
			defer close(typed.keys)
			for _, key := range []string{"r", "s", "o", "q"} {
				time.Sleep(300 * time.Millisecond)
				typed.keys <- key
			}
		}()
		report, err := picture.Play(t.Context(), s.plan(), screen(&out, typed), line)
		require.NoError(t, err)
		assert.True(t, report.Interrupted)
		assert.Equal(t, demo.Faults{Outages: 1, Rejections: 1, Sleeps: 1}, report.Hand)
		assert.InDelta(t, 1.2, report.Took.Seconds(), 0.1)
		assert.Positive(t, s.server.Count(agstest.Refresh))
		assert.Contains(t, ansi.Strip(out.String()), "out by your key")
	})
}

func TestPlay_EndOfContextInterrupts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		var s stage
		var out bytes.Buffer
		report, err := picture.Play(ctx, s.plan(), screen(&out, nil), line)
		require.NoError(t, err)
		assert.True(t, report.Interrupted)
		assert.Equal(t, time.Second, report.Took)
	})
}

func TestPlay_SignOnRefusedIsAnError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s stage
		plan := s.plan()
		plan.Prepare = func(srv *agstest.Server) { srv.SuspendAccount(agstest.DefaultAccountID) }
		_, err := picture.Play(t.Context(), plan, screen(io.Discard, nil), line)
		assert.ErrorContains(t, err, "sign on: ")
	})
}

func TestPlay_NoColour(t *testing.T) {
	for _, without := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			var s stage
			var out bytes.Buffer
			sc := screen(&out, nil)
			sc.NoColor, sc.Environ = without, append(sc.Environ, "CLICOLOR_FORCE=1")
			_, err := picture.Play(ctx, s.plan(), sc, line)
			require.NoError(t, err)
			coloured := regexp.MustCompile(`\x1b\[[0-9;]*(3[0-8]|4[0-8]|9[0-7])[;m]`).FindAllString(out.String(), -1)
			assert.Equal(t, without, len(coloured) == 0, "%q", coloured)
			assert.Contains(t, out.String(), "█")
			assert.Positive(t, s.server.Count(agstest.API))
		})
	}
}
