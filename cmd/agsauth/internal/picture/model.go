package picture

import (
	"slices"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/agsauth/agsauth/cmd/agsauth/internal/demo"
)

// Frame is what has become of the demo since the last one.
type Frame struct {
	Glance demo.Glance
	Lines  []string // told since the last one
}

// Over says that the demo has ended, after a last Frame.
type Over struct{ Last Frame }

// Show is the demo that is drawn. Its methods do not wait for what they cause.
type Show interface {
	Outage()
	Reject()
	Sleep()
}

// Model is the picture as a program of Bubble Tea's. It is a value: Update returns
// another one.
type Model struct {
	show Show
	next tea.Cmd // waits for the next Frame
	quit func()  // asks the demo to end
	span time.Duration

	state State
	last  sample
}

// Init implements [tea.Model].
func (m Model) Init() tea.Cmd { return tea.Batch(m.next, tea.RequestBackgroundColor) }

// View implements [tea.Model].
func (m Model) View() tea.View {
	v := tea.NewView(View(m.state))
	v.AltScreen = true
	v.WindowTitle = "agsauth demo"
	return v
}

// State returns what is seen.
func (m Model) State() State { return m.state }

// Update implements [tea.Model].
func (m Model) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		m.state.Width, m.state.Height = msg.Width, msg.Height
	case tea.BackgroundColorMsg:
		m.state.Background = Light
		if msg.IsDark() {
			m.state.Background = Dark
		}
	case tea.KeyPressMsg:
		return m.pressed(strings.ToLower(msg.String())) // Caps Lock may be on
	case Frame:
		return m.framed(msg), m.next
	case Over:
		m = m.framed(msg.Last)
		m.state.Over = true
		return m, tea.Quit
	}
	return m, nil
}

// framed is the model a frame later.
func (m Model) framed(f Frame) Model {
	m.state.Glance = f.Glance
	m.state.Lines = append(slices.Clip(m.state.Lines), f.Lines...)
	now := sample{f.Glance.At, f.Glance.Requests - f.Glance.Failed}
	if now.at-m.last.at >= m.span {
		// Enough for any window.
		const most = 500
		rates := append(slices.Clip(m.state.Rates), now.since(m.last))
		m.state.Rates = rates[max(0, len(rates)-most):]
		m.last = now
	}
	return m
}

// binding is a key and what it does.
type binding struct {
	key, what, short string
	do               func(Show)
}

// bindings are the keys, but for those that are no letters.
func bindings() []binding {
	return []binding{
		{"o", "outage of the gateway", "outage", Show.Outage},
		{"r", "reject the token", "reject", Show.Reject},
		{"s", "suspend the machine", "suspend", Show.Sleep},
		{"q", "quit", "quit", nil},
	}
}

func (m Model) pressed(key string) (tea.Model, tea.Cmd) {
	switch key {
	case "q", "esc", "ctrl+c":
		m.state.Quitting = true
		m.quit()
		return m, nil
	}
	for _, b := range bindings() {
		if b.key == key && b.do != nil {
			b.do(m.show)
		}
	}
	return m, nil
}
