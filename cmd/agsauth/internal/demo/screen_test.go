package demo_test

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"testing"
	"testing/synctest"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/agstest"
	"github.com/agsauth/agsauth/cmd/agsauth/internal/demo"
	"github.com/agsauth/agsauth/cmd/agsauth/internal/exit"
)

// update passes messages to a screen and returns the last command.
func update(s demo.Screen, msgs ...tea.Msg) (demo.Screen, tea.Cmd) {
	var cmd tea.Cmd
	for _, msg := range msgs {
		var next tea.Model
		next, cmd = s.Update(msg)
		s = next.(demo.Screen)
	}
	return s, cmd
}

func TestScreen_Keys(t *testing.T) {
	for _, tt := range []struct {
		key     tea.KeyPressMsg
		pressed string
		quit    bool
	}{
		{tea.KeyPressMsg{Code: 'o', Text: "o"}, "o", false},
		{tea.KeyPressMsg{Code: 'o', Text: "O", Mod: tea.ModShift}, "o", false},
		{tea.KeyPressMsg{Code: 'q', Text: "q"}, "", true},
		{tea.KeyPressMsg{Code: tea.KeyEscape}, "", true},
		{tea.KeyPressMsg{Code: 'c', Mod: tea.ModCtrl}, "", true},
	} {
		pressed, quit := "", false
		s, cmd := update(demo.Screen{Press: func(key string) { pressed = key }, Quit: func() { quit = true }}, tt.key)
		if cmd != nil {
			assert.Nil(t, cmd(), "a key does not end the program: the end of the demo does")
		}
		assert.Equal(t, tt.pressed, pressed, tt.key.String())
		assert.Equal(t, tt.quit, quit, tt.key.String())
		assert.Equal(t, tt.quit, s.Quitting, tt.key.String())
	}
}

func TestScreen_ShowsSnapshotsAndEvents(t *testing.T) {
	snapshot := func(at time.Duration, requests, failed int) demo.Snapshot {
		return demo.Snapshot{At: at, Totals: demo.Totals{Requests: requests, Failed: failed}}
	}
	s, _ := update(demo.Screen{Plan: demo.Normal()},
		tea.WindowSizeMsg{Width: 90, Height: 30}, demo.Event{Text: "one"}, snapshot(100*time.Millisecond, 10, 0))
	assert.Equal(t, []int{90, 30}, []int{s.Width, s.Height})
	assert.Empty(t, s.Rates)

	s, _ = update(s, snapshot(500*time.Millisecond, 100, 0), snapshot(600*time.Millisecond, 100, 0),
		demo.Event{Text: "two"}, snapshot(1500*time.Millisecond, 400, 300))
	assert.Equal(t, []float64{200, 0}, s.Rates)
	assert.Equal(t, []demo.Event{{Text: "one"}, {Text: "two"}}, s.Events)
	assert.Equal(t, 400, s.Snapshot.Requests)
	assert.True(t, s.View().AltScreen)
	assert.Equal(t, s.String(), s.View().Content)
}

// keyboard delivers keys to the command.
type keyboard chan string

func (k keyboard) Read(p []byte) (int, error) {
	key, more := <-k
	if !more {
		return 0, io.EOF
	}
	return copy(p, key), nil
}

// draw runs the fast plan on a screen, and returns the output.
func draw(ctx context.Context, in io.Reader) (out string, err error) {
	var buf bytes.Buffer
	err = demo.Command{In: in, Out: &buf, Fast: true, Width: 80, Height: 24, Adjust: func(p *demo.Plan) {
		p.InMemory, p.Pause = true, 100*time.Millisecond
	}}.Run(ctx)
	return buf.String(), err
}

func TestDraw_KeysMakeFaultsAndQuit(t *testing.T) {
	t.Setenv("TERM", "xterm-256color")
	synctest.Test(t, func(t *testing.T) {
		start, keys := time.Now(), make(keyboard)
		go func() {
			defer close(keys)
			for _, key := range []string{"r", "s", "o", "q"} {
				time.Sleep(300 * time.Millisecond)
				keys <- key
			}
		}()
		out, err := draw(t.Context(), keys)
		assert.Equal(t, exit.Interrupted, exit.StatusOf(err))
		assert.InDelta(t, 1.2, time.Since(start).Seconds(), 0.1)
		assert.Contains(t, ansi.Strip(out), "stopped by your key")
		assert.Contains(t, out, "outages 1, rejections 1, suspends 1\n")
	})
}

func TestDraw_NoColor(t *testing.T) {
	for _, value := range []string{"", "any"} {
		t.Run(value, func(t *testing.T) {
			t.Setenv("TERM", "xterm-256color")
			t.Setenv("TTY_FORCE", "1")
			t.Setenv("NO_COLOR", value)
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				out, _ := draw(ctx, nil)
				colours := regexp.MustCompile(`\x1b\[[0-9;]*(3[0-8]|4[0-8]|9[0-7])[;m]`).FindAllString(out, -1)
				assert.Equal(t, value != "", len(colours) == 0, "%q", colours)
				assert.Contains(t, out, "█")
			})
		})
	}
}

func TestCommand_DrawsOnlyOnATerminal(t *testing.T) {
	file, err := os.Create(filepath.Join(t.TempDir(), "out"))
	require.NoError(t, err)
	defer func() { assert.NoError(t, file.Close()) }()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		inMemory := func(p *demo.Plan) { p.InMemory, p.Prepare = true, func(*agstest.Server) {} }
		assert.Equal(t, exit.Interrupted, exit.StatusOf(demo.Command{In: file, Out: file, Adjust: inMemory}.Run(ctx)))
	})
	out, err := os.ReadFile(file.Name())
	require.NoError(t, err)
	assert.Contains(t, string(out), "A gateway, an API")
	assert.NotContains(t, string(out), "\x1b")

	for name, want := range map[string]bool{"xterm-256color": true, "dumb": false} {
		assert.Equal(t, want, demo.Capable(name), name)
	}
}
