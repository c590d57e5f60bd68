package doctor

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/clock"
)

// A check that crashes, hangs or ignores the end of its context does not hide the others,
// and the order is kept.
func TestRun_StopsAtNone(t *testing.T) {
	released := make(chan struct{})
	ended := make(chan struct{})
	report := run(t.Context(), Config{Timeout: time.Second, Home: "/home/dave"}, []check{
		{"crashes", func(context.Context, *examination) Result { panic("a secret") }},
		{"hangs", func(context.Context, *examination) Result {
			defer close(ended)
			<-released
			return Result{}
		}},
		{"heeds its context", func(ctx context.Context, _ *examination) Result {
			<-ctx.Done()
			return warning("no answer", "wait")
		}},
		{"is fine", func(context.Context, *examination) Result { return ok("/home/dave/x") }},
		{"does not apply", func(context.Context, *examination) Result { return skipped("it is not used") }},
	})
	close(released)
	<-ended
	assert.Equal(t, []Result{
		{"crashes", Failure, "the check has crashed with a string", "report this as a defect of agsauth"},
		{"hangs", Failure, "the check has not ended in time", "look for a disk or a network that hangs"},
		{"heeds its context", Warning, "no answer", "wait"},
		{"is fine", OK, "~/x", ""},
		{"does not apply", Skipped, "it is not used", ""},
	}, report.Results)
	assert.Equal(t, Summary{OK: 1, Warnings: 1, Failures: 2, Skipped: 1}, report.Summary)
}

func TestRun_EndOfContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	report := run(ctx, Config{}, []check{{"waits", func(ctx context.Context, _ *examination) Result {
		<-ctx.Done()
		return skipped("interrupted")
	}}})
	require.Len(t, report.Results, 1)
	assert.NotEqual(t, OK, report.Results[0].Level)
}

// Without any configuration, nothing crashes, and every failure has a hint.
func TestRun_NoConfiguration(t *testing.T) {
	report := Run(t.Context(), Config{Clock: clock.Real{}, LookupEnv: func(string) (string, bool) { return "", false }})
	assert.Len(t, report.Results, len(checks()))
	assert.Zero(t, report.Summary.Failures)
	for _, r := range report.Results {
		assert.NotEmpty(t, r.Text, r.Name)
		assert.NotContains(t, r.Text, "crashed", r.Name)
	}
}

func TestReport_Print(t *testing.T) {
	report := Report{
		Results: []Result{
			{"clock", OK, "agrees", ""},
			{"session file", Failure, "is 0644", "run chmod"},
			{"redis", Skipped, "not used", ""},
			{"session", Warning, "ended", "sign in"},
		},
		Summary: Summary{OK: 1, Warnings: 1, Failures: 1, Skipped: 2},
	}
	var plain strings.Builder
	require.NoError(t, report.Print(&plain, nil))
	assert.Equal(t, `✓ clock         agrees
✗ session file  is 0644
                → run chmod
- redis         not used
! session       ended
                → sign in

1 failure, 1 warning, 1 ok, 2 skipped
`, plain.String())
	var coloured strings.Builder
	require.NoError(t, report.Print(&coloured, Paint))
	assert.True(t, strings.HasPrefix(coloured.String(), "\x1b[32m✓\x1b[0m clock         agrees\n\x1b[31m✗\x1b[0m session file"))
}
