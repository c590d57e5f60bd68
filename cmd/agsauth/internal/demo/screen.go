package demo

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/colorprofile"
)

const (
	framesPerSecond  = 20
	snapshotInterval = 100 * time.Millisecond
)

// draw runs the demo and draws it. The last picture stays on the terminal.
func (c Command) draw(ctx context.Context, plan Plan) (Report, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	environ := os.Environ()
	if os.Getenv("NO_COLOR") != "" {
		environ = append(environ, "NO_COLOR=1") // colorprofile ignores other values
	}
	var program *tea.Program
	d := New(plan, func(e Event) { program.Send(e) })
	program = tea.NewProgram(Model{
		Screen: Screen{Width: c.Width, Height: c.Height, Plan: plan},
		Next:   func() tea.Msg { _ = sleep(ctx, snapshotInterval); return d.Snapshot() },
		Quit:   cancel,
		Keys:   map[string]func(){"o": d.Outage, "r": func() { d.Reject(ctx) }, "s": d.Suspend},
		Cell:   max(snapshotInterval, plan.Limit/100),
	}, tea.WithInput(c.In), tea.WithOutput(c.Out), tea.WithEnvironment(environ), tea.WithWindowSize(c.Width, c.Height),
		tea.WithFPS(framesPerSecond), tea.WithoutSignalHandler())

	var report Report
	var demoErr error
	var wg sync.WaitGroup
	wg.Go(func() {
		report, demoErr = d.Run(ctx)
		program.Send(Over(d.Snapshot()))
	})
	model, err := program.Run()
	cancel()
	wg.Wait()
	if err != nil {
		return report, fmt.Errorf("draw: %w", err)
	}
	if m, ok := model.(Model); ok && demoErr == nil {
		fmt.Fprintln(colorprofile.NewWriter(c.Out, environ), m.Screen)
	}
	return report, demoErr
}

// Over is the snapshot after the end of the demo.
type Over Snapshot

// Model is the Bubble Tea program that draws the demo.
type Model struct {
	Screen Screen
	Next   tea.Cmd           // waits for the next snapshot
	Quit   func()            // interrupts the demo
	Keys   map[string]func() // faults by key
	Cell   time.Duration     // that a cell of the chart stands for

	last Snapshot // at the end of the last cell
}

// Init implements [tea.Model].
func (m Model) Init() tea.Cmd { return m.Next }

// View implements [tea.Model].
func (m Model) View() tea.View {
	return tea.View{AltScreen: true, WindowTitle: "agsauth demo", Content: m.Screen.String()}
}

// Update implements [tea.Model].
func (m Model) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		m.Screen.Width, m.Screen.Height = msg.Width, msg.Height
	case tea.KeyPressMsg:
		switch key := strings.ToLower(msg.String()); key { // Caps Lock may be on
		case "q", "esc", "ctrl+c":
			m.Screen.Quitting = true
			m.Quit() // the end of the demo ends the program
		default:
			if press := m.Keys[key]; press != nil {
				return m, func() tea.Msg { press(); return nil }
			}
		}
	case Event:
		m.Screen.Events = append(m.Screen.Events, msg)
	case Snapshot:
		return m.advance(msg), m.Next
	case Over:
		m = m.advance(Snapshot(msg))
		m.Screen.Over = true
		return m, tea.Quit
	}
	return m, nil
}

// advance shows a snapshot, and adds to the chart when a cell is complete.
func (m Model) advance(now Snapshot) Model {
	m.Screen.Snapshot = now
	if d := now.At - m.last.At; d >= m.Cell {
		served := now.Requests - now.Failed - (m.last.Requests - m.last.Failed)
		m.Screen.Rates = append(m.Screen.Rates, float64(served)/d.Seconds())
		m.last = now
	}
	return m
}
