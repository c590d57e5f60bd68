package demo_test

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/charmbracelet/x/ansi"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/cmd/agsauth/internal/demo"
	"github.com/agsauth/agsauth/tokensource"
)

var write = flag.Bool("update", false, "write the golden files")

// screens returns examples by name.
func screens() map[string]demo.Screen {
	early := demo.Screen{Plan: demo.Normal()}

	healthy, now := early, time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
	healthy.Snapshot = demo.Snapshot{
		At:  12345 * time.Millisecond,
		Now: now,
		Status: tokensource.Status{
			Phase:            tokensource.Fresh,
			RefreshAt:        now.Add(time.Second),
			ExpiresAt:        now.Add(4321 * time.Millisecond),
			RefreshExpiresAt: now.Add(28321 * time.Millisecond),
			FixedExpiresAt:   now.Add(25905 * time.Millisecond),
		},
		Condition: demo.Healthy,
		Totals:    demo.Totals{Logins: 1, Requests: 3720, Refreshes: 4, Repeated: 1},
	}
	for i := range 24 {
		healthy.Rates = append(healthy.Rates, float64(300+i%3*10))
	}
	healthy.Rates[10] = 120
	healthy.Events = []demo.Event{
		{At: 300 * time.Millisecond, Subject: "session 1", Text: "starts with a sign-on as device PUB_1 and lasts 38s"},
		{At: 300 * time.Millisecond, Subject: "workers", Text: "start: 8 of them call the API in a loop"},
		{At: 2800 * time.Millisecond, Subject: "refresh 1", Text: "took 250.9ms; 80 requests meanwhile, slowest 1ms"},
		{At: 4 * time.Second, Subject: "demo", Text: "slows the gateway: the next refresh takes 1.5s longer"},
	}

	out := healthy
	out.Snapshot.Condition = demo.Out
	out.Snapshot.Failed, out.Snapshot.FailedByKeys = 41, 40
	st := &out.Snapshot.Status
	st.Phase, st.ExpiresAt, st.Err, st.NextAt = tokensource.Expired, now, errors.New("503"), now.Add(8300*time.Millisecond)
	out.Events = nil
	for i := range 40 {
		out.Events = append(out.Events, demo.Event{
			At: time.Duration(i) * time.Second / 3, Subject: fmt.Sprintf("refresh %d", i), Text: "took 250.9ms; 80 requests meanwhile, slowest 1ms",
		})
	}
	out.Events = append(out.Events,
		demo.Event{At: 12 * time.Second, Subject: "you", Text: "stop the gateway for 1.5s: it refuses every call (503)"},
		demo.Event{At: 12100 * time.Millisecond, Subject: "workers", Text: "have a FAILED request: " + strings.Repeat("very ", 20) + "long"})

	rejecting := healthy
	rejecting.Snapshot.Condition, rejecting.Snapshot.Logins, rejecting.Quitting = demo.Rejecting, 2, true

	slow := healthy
	slow.Snapshot.Condition, slow.Snapshot.Status.RefreshAt = demo.Slow, now

	over := healthy
	over.Over, over.Snapshot.Condition = true, demo.Failing
	return map[string]demo.Screen{"early": early, "healthy": healthy, "out": out, "rejecting": rejecting, "slow": slow, "over": over}
}

func TestScreen_Golden(t *testing.T) {
	for name, s := range screens() {
		for _, size := range [][2]int{{80, 24}, {60, 15}} {
			s.Width, s.Height = size[0], size[1]
			file := filepath.Join("testdata", fmt.Sprintf("%s_%dx%d.txt", name, s.Width, s.Height))
			t.Run(filepath.Base(file), func(t *testing.T) {
				var got strings.Builder
				for line := range strings.Lines(ansi.Strip(s.String()) + "\n") {
					got.WriteString(strings.TrimRight(line, " \n") + "\n")
				}
				if *write {
					require.NoError(t, os.WriteFile(file, []byte(got.String()), 0o600))
				}
				want, err := os.ReadFile(file)
				require.NoError(t, err)
				assert.Equal(t, strings.ReplaceAll(string(want), "\r\n", "\n"), got.String())
			})
		}
	}
}

func TestScreen_FitsEveryWindow(t *testing.T) {
	for name, s := range screens() {
		for s.Width = range 140 {
			for _, s.Height = range []int{1, 5, 11, 12, 13, 17, 18, 19, 24, 41} {
				lines := strings.Split(s.String(), "\n")
				require.LessOrEqual(t, len(lines), s.Height, "%s at %d×%d", name, s.Width, s.Height)
				for _, line := range lines {
					require.LessOrEqual(t, ansi.StringWidth(line), s.Width, "%s at %d×%d: %q", name, s.Width, s.Height, line)
				}
			}
		}
	}
}
