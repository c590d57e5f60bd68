package main_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/agstest"
	agsauth "github.com/agsauth/agsauth/cmd/agsauth"
	"github.com/agsauth/agsauth/cmd/agsauth/internal/demo"
	"github.com/agsauth/agsauth/cmd/agsauth/internal/picture"
)

// show plays the fast demo on a screen, in a bubble, for no longer than it is let.
func show(t *testing.T, let time.Duration, args ...string) (got outcome, srv *agstest.Server) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), let)
	defer cancel()
	var out, errOut strings.Builder
	screen := &picture.Screen{Out: &out, Environ: []string{"TERM=xterm"}, Width: 80, Height: 24}
	status := agsauth.RunOn(ctx, screen, append([]string{"demo", "--fast"}, args...), &out, &errOut, func(p *demo.Plan) {
		p.InMemory, p.Pause = true, 200*time.Millisecond
		p.Prepare = func(s *agstest.Server) { srv = s }
	})
	return outcome{status, out.String(), errOut.String()}, srv
}

func TestDemo_OnAScreenTheSumsComeBelowThePicture(t *testing.T) {
	for _, tt := range []struct {
		name    string
		let     time.Duration
		status  int
		verdict string
	}{
		{"to the end", time.Minute, 0, "All of it happened, and no request failed.\n"},
		{"interrupted", time.Second, 130, "Interrupted.\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				got, srv := show(t, tt.let)
				assert.Equal(t, tt.status, got.status)
				assert.Positive(t, srv.Count(agstest.API))
				_, below, found := strings.Cut(got.out, "\x1b[?1049l")
				require.True(t, found)
				assert.Contains(t, below, "── what happened ─")
				assert.Contains(t, below, "\n  requests  ")
				assert.True(t, strings.HasSuffix(below, tt.verdict), below)
				assert.NotContains(t, below, "Here are a gateway")
				assert.Empty(t, got.errOut)
			})
		})
	}
}

func TestDemo_PlainIsLinesOnAScreenToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		got, srv := show(t, time.Minute, "--plain")
		assert.Equal(t, 0, got.status)
		assert.Equal(t, 2, srv.Count(agstest.SignOn))
		assert.NotContains(t, got.out, "\x1b")
		assertStory(t, got.out, theStory())
	})
}

func TestScreen_OnlyWhereOneCanDraw(t *testing.T) {
	file, err := os.Create(filepath.Join(t.TempDir(), "out"))
	require.NoError(t, err)
	defer func() { assert.NoError(t, file.Close()) }()
	environ := []string{"TERM=xterm"}
	assert.Nil(t, agsauth.ScreenOf(file, file, environ), "files")
	assert.Nil(t, agsauth.ScreenOf(strings.NewReader(""), &strings.Builder{}, environ), "no files at all")
}

func TestScreen_TerminalIsCapableByItsName(t *testing.T) {
	for _, tt := range []struct {
		environ []string
		want    bool
	}{
		{[]string{"TERM=xterm-256color"}, true},
		{[]string{"TERM=xterm", "TERM=dumb"}, false},
		{[]string{"TERM=dumb"}, false},
	} {
		assert.Equal(t, tt.want, agsauth.Capable(tt.environ), "%q", tt.environ)
	}
}

// What was done by hand is told of in the sums, and of what failed by it too.
func TestSummary_FaultsByHand(t *testing.T) {
	report := demo.Report{
		Requests: 100, Failed: 12, ByHand: 10, Hand: demo.Faults{Outages: 2, Sleeps: 1},
		Waived: []string{"a re-login ahead of the end: it came too late"},
	}
	text := agsauth.Summary(report)
	assert.Contains(t, text, "    failed                      12   10 of them after faults by hand\n")
	assert.Contains(t, text, "  faults by hand                 3   outages 2, rejections 0, sleeps 1\n")
	assert.True(t, strings.HasSuffix(text, "\nFAILED: 2 requests.\n"+
		"FAILED by hand: 10 requests, for want of a token.\n"+
		"WAIVED, for faults by hand: a re-login ahead of the end: it came too late.\n"), text)

	report.Failed, report.ByHand = 0, 0
	assert.True(t, report.OK(), "what is waived is not held against it")
	assert.True(t, strings.HasSuffix(agsauth.Summary(report), "\nNo request failed.\n"+
		"WAIVED, for faults by hand: a re-login ahead of the end: it came too late.\n"))
}
