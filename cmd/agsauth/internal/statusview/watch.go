package statusview

import (
	"context"
	"io"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/agsauth/agsauth/cmd/agsauth/internal/terminal"
)

const redraw = time.Second

// Watch draws what read returns every second, until the user presses q. Otherwise it
// returns the error of read, or [terminal.ErrInterrupted] after Ctrl-C or the end of ctx.
// The last picture stays on the terminal.
func Watch(ctx context.Context, in io.Reader, out io.Writer, color bool, read func(context.Context) (View, error)) error {
	first, err := read(ctx)
	if err != nil {
		return err
	}
	w := watch{view: first, color: color, read: func() tea.Msg { return next(ctx, read) }}
	program := tea.NewProgram(w, tea.WithInput(in), tea.WithOutput(out), tea.WithoutSignalHandler())
	// The option tea.WithContext would leave the goroutine behind that reads the keys.
	defer context.AfterFunc(ctx, program.Quit)()
	last, err := program.Run()
	if ctx.Err() != nil {
		return terminal.ErrInterrupted
	}
	if w, ok := last.(watch); ok && err == nil {
		return w.failed
	}
	return err
}

// next is the message with the next view.
func next(ctx context.Context, read func(context.Context) (View, error)) tea.Msg {
	v, err := read(ctx)
	if err != nil {
		return err
	}
	return v
}

// watch is the program that draws.
type watch struct {
	view   View
	color  bool
	width  int
	read   func() tea.Msg
	over   bool
	failed error
}

// Init implements [tea.Model].
func (w watch) Init() tea.Cmd { return w.tick() }

func (w watch) tick() tea.Cmd {
	return tea.Tick(redraw, func(time.Time) tea.Msg { return w.read() })
}

// Update implements [tea.Model].
func (w watch) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		w.width = msg.Width
	case View:
		w.view = msg
		return w, w.tick()
	case error:
		w.failed, w.over = msg, true
		return w, tea.Quit
	case tea.KeyPressMsg:
		switch strings.ToLower(msg.String()) { // Caps Lock may be on
		case "ctrl+c":
			w.failed, w.over = terminal.ErrInterrupted, true
			return w, tea.Quit
		case "q", "esc":
			w.over = true
			return w, tea.Quit
		}
	}
	return w, nil
}

// View implements [tea.Model].
func (w watch) View() tea.View {
	if w.width == 0 {
		return tea.NewView("") // the size comes first
	}
	d := drawing{Look: Look{Width: w.width, Color: w.color}}
	text := w.view.Text(d.Look)
	if !w.over {
		text += "\n" + d.paint(dim(), "q quit")
	}
	return tea.NewView(text)
}
