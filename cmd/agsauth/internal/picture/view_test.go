package picture_test

import (
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
	"github.com/agsauth/agsauth/cmd/agsauth/internal/picture"
)

var update = flag.Bool("update", false, "write the golden files anew")

// states are moments in the life of a picture, by name.
func states() map[string]picture.State {
	early := picture.State{Workers: 8, Lasts: 44 * time.Second}

	healthy := early
	healthy.Glance = demo.Glance{
		At:      12345 * time.Millisecond,
		Access:  demo.Horizon{Left: 4321 * time.Millisecond, Whole: 6 * time.Second},
		Refresh: demo.Horizon{Left: 28321 * time.Millisecond, Whole: 30 * time.Second},
		Session: demo.Horizon{Left: 25905 * time.Millisecond, Whole: 38 * time.Second},
		Logins:  1, Requests: 3720, Refreshes: 4, Replaced: 1,
	}
	for i := range 24 {
		healthy.Rates = append(healthy.Rates, float64(300+i%3*10))
	}
	healthy.Rates[10] = 120
	healthy.Lines = []string{
		" 0.3s  session 1  begins with a sign-on, as device PUB_1, and lasts 38.0 s",
		" 0.3s  workers    start: 8 of them call the API all the time",
		" 2.8s  refresh 1  took 251 ms; 80 requests meanwhile, slowest 1.0 ms",
		" 4.0s  demo       slows the gateway: the next refresh takes 1.5 s longer",
	}

	out := healthy
	out.Glance.Access.Left, out.Glance.Dead, out.Glance.Weather = 0, true, demo.Out
	out.Glance.NextIn = 8300 * time.Millisecond
	out.Glance.OutFor, out.Glance.Failed, out.Glance.ByHand = 1200*time.Millisecond, 41, 40
	out.Lines = nil
	for i := range 40 {
		out.Lines = append(out.Lines, fmt.Sprintf("%4.1fs  refresh %-2d took 251 ms; 80 requests meanwhile, slowest 1.0 ms", float64(i)/3, i))
	}
	out.Lines = append(out.Lines,
		"12.0s  you        put the gateway out of order for 1.5 s: it refuses all (503)",
		"12.1s  workers    have a FAILED request: "+strings.Repeat("very ", 20)+"long")

	rejecting := healthy
	rejecting.Glance.Weather, rejecting.Glance.Logins = demo.Rejecting, 2
	rejecting.Background, rejecting.Quitting = picture.Dark, true

	slow := healthy
	slow.Glance.Weather, slow.Glance.Due, slow.Background = demo.Slow, true, picture.Light

	over := healthy
	over.Over, over.Glance.Weather = true, demo.Failing
	return map[string]picture.State{"early": early, "healthy": healthy, "out": out, "rejecting": rejecting, "slow": slow, "over": over}
}

func TestView_Golden(t *testing.T) {
	for name, s := range states() {
		for _, size := range [][2]int{{80, 24}, {120, 40}, {60, 20}, {60, 15}} {
			s.Width, s.Height = size[0], size[1]
			file := filepath.Join("testdata", fmt.Sprintf("%s_%dx%d.txt", name, s.Width, s.Height))
			t.Run(filepath.Base(file), func(t *testing.T) {
				var got strings.Builder
				for line := range strings.Lines(ansi.Strip(picture.View(s)) + "\n") {
					got.WriteString(strings.TrimRight(line, " \n") + "\n")
				}
				if *update {
					require.NoError(t, os.WriteFile(file, []byte(got.String()), 0o600))
				}
				want, err := os.ReadFile(file)
				require.NoError(t, err)
				assert.Equal(t, strings.ReplaceAll(string(want), "\r\n", "\n"), got.String())
			})
		}
	}
}

func TestView_FitsEveryWindow(t *testing.T) {
	for name, s := range states() {
		for s.Width = range 140 {
			for _, s.Height = range []int{1, 5, 11, 12, 13, 17, 18, 19, 24, 29, 30, 41} {
				lines := strings.Split(picture.View(s), "\n")
				require.LessOrEqual(t, len(lines), s.Height, "%s at %d×%d", name, s.Width, s.Height)
				for _, line := range lines {
					require.LessOrEqual(t, ansi.StringWidth(line), s.Width, "%s at %d×%d: %q", name, s.Width, s.Height, line)
				}
			}
		}
	}
}

// What a colour says is said without it as well: the texts do not depend on it.
func TestView_ColoursAreForTheBackground(t *testing.T) {
	s := states()["healthy"]
	s.Width, s.Height = 80, 24
	seen := map[string]bool{}
	for _, s.Background = range []picture.Background{picture.Unknown, picture.Light, picture.Dark} {
		view := picture.View(s)
		assert.Equal(t, ansi.Strip(picture.View(states80("healthy"))), ansi.Strip(view))
		seen[view] = true
	}
	assert.Len(t, seen, 3)
}

func states80(name string) picture.State {
	s := states()[name]
	s.Width, s.Height = 80, 24
	return s
}
