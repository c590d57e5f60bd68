package demo

import (
	"context"
	"fmt"
	"math"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	tea "charm.land/bubbletea/v2"
	"charm.land/lipgloss/v2"
	"github.com/charmbracelet/colorprofile"
	"github.com/charmbracelet/x/ansi"

	"github.com/agsauth/agsauth/tokensource"
)

const (
	framesPerSecond  = 20
	snapshotInterval = 100 * time.Millisecond

	// The layout, in cells.
	minWidth, minHeight = 60, 12
	nameWidth           = 15 // left of a bar
	valueWidth          = 24 // right of a bar
	roomyHeight         = 18 // from here on there are empty lines
)

// draw runs the demo and draws it. The last picture stays on the terminal.
func (c Command) draw(ctx context.Context, plan Plan) (report Report, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	environ := os.Environ()
	if os.Getenv("NO_COLOR") != "" {
		environ = append(environ, "NO_COLOR=1") // colorprofile ignores other values
	}
	var program *tea.Program
	d := New(plan, func(e Event) { program.Send(e) })
	program = tea.NewProgram(Screen{
		Plan:  plan,
		Press: func(key string) { d.Press(ctx, key) },
		Quit:  cancel,
	}, tea.WithInput(c.In), tea.WithOutput(c.Out), tea.WithEnvironment(environ), tea.WithWindowSize(c.Width, c.Height),
		tea.WithFPS(framesPerSecond), tea.WithoutSignalHandler())

	var wg sync.WaitGroup
	wg.Go(func() {
		for sleep(ctx, snapshotInterval) == nil {
			program.Send(d.Snapshot())
		}
	})
	wg.Go(func() {
		report, err = d.Run(ctx)
		program.Send(d.Snapshot())
		program.Quit()
	})
	last, drawErr := program.Run()
	cancel()
	wg.Wait()
	if drawErr != nil {
		return report, fmt.Errorf("draw: %w", drawErr)
	}
	if screen, ok := last.(Screen); ok && err == nil {
		screen.Over = true
		fmt.Fprintln(colorprofile.NewWriter(c.Out, environ), screen)
	}
	return report, err
}

// Screen is the Bubble Tea program that draws the demo, and all that it shows.
type Screen struct {
	Plan  Plan
	Press func(key string) // makes a fault
	Quit  func()           // ends the demo, which then ends the program

	Width, Height  int
	Snapshot       Snapshot
	Events         []Event
	Rates          []float64 // successful requests per second
	rated          Snapshot  // at the end of the last of these
	Quitting, Over bool
}

// Init implements [tea.Model].
func (s Screen) Init() tea.Cmd { return nil }

// View implements [tea.Model].
func (s Screen) View() tea.View {
	return tea.View{AltScreen: true, WindowTitle: "agsauth demo", Content: s.String()}
}

// Update implements [tea.Model].
func (s Screen) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		s.Width, s.Height = msg.Width, msg.Height
	case tea.KeyPressMsg:
		switch key := strings.ToLower(msg.String()); key { // Caps Lock may be on
		case "q", "esc", "ctrl+c":
			s.Quitting = true
			s.Quit()
		default:
			return s, func() tea.Msg { s.Press(key); return nil }
		}
	case Event:
		s.Events = append(s.Events, msg)
	case Snapshot:
		s.Snapshot = msg
		if d := msg.At - s.rated.At; d >= max(snapshotInterval, s.Plan.Limit/100) {
			served := msg.Requests - msg.Failed - (s.rated.Requests - s.rated.Failed)
			s.Rates, s.rated = append(s.Rates, float64(served)/d.Seconds()), msg
		}
	}
	return s, nil
}

// Colours repeat what words or shapes say. They are the terminal's own, which can be
// read on its background.
func bold() lipgloss.Style { return lipgloss.NewStyle().Bold(true) }
func dim() lipgloss.Style  { return lipgloss.NewStyle().Faint(true) }
func good() lipgloss.Style { return lipgloss.NewStyle().Foreground(lipgloss.Green) }
func bad() lipgloss.Style  { return bold().Foreground(lipgloss.Red) }
func note() lipgloss.Style { return lipgloss.NewStyle().Foreground(lipgloss.Magenta) }

// String draws the picture: at most Height lines of at most Width cells.
func (s Screen) String() string {
	if s.Width < minWidth || s.Height < minHeight {
		return ansi.Truncate(fmt.Sprintf("The picture needs %d × %d cells; q quits.", minWidth, minHeight), s.Width, "")
	}
	title := fmt.Sprintf("agsauth demo  %d workers call an API with a gateway's tokens", s.Plan.Workers)
	progress := fmt.Sprintf("  %.0f of about %.0f s", s.Snapshot.At.Seconds(), (s.Plan.Session + s.Plan.Tail).Seconds())
	titleWidth := s.Width - len(progress)
	status, session := s.Snapshot.Status, nth("session", max(1, s.Snapshot.Logins))
	failed := good().Render(fmt.Sprintf("failed %d", s.Snapshot.Failed))
	if n := s.Snapshot.Failed; n > 0 {
		failed = bad().Render(fmt.Sprintf("failed %d (%d by you)", n, s.Snapshot.FailedByKeys))
	}
	style, word := s.accessToken()
	lines := []string{
		bold().Render(pad(ansi.Truncate(title, titleWidth, "…"), titleWidth) + progress), "",
		s.deadline("access token", status.ExpiresAt, s.Plan.Access, style, word),
		s.deadline("refresh token", status.RefreshExpiresAt, s.Plan.Refresh, good(), ""),
		s.deadline(session, status.FixedExpiresAt, s.Plan.Session, good(), ""), "",
		s.gateway(), s.chart(), "",
		fmt.Sprintf("requests %d   %s", s.Snapshot.Requests, failed),
		fmt.Sprintf("refreshes %d   rejected and repeated %d   logins %d", s.Snapshot.Refreshes, s.Snapshot.Repeated, s.Snapshot.Logins),
		dim().Render("── events " + strings.Repeat("─", s.Width)),
	}
	if s.Height < roomyHeight {
		lines = slices.DeleteFunc(lines, func(line string) bool { return line == "" })
	}
	lines = append(lines, s.lastEvents(s.Height-len(lines)-1)...)
	switch {
	case s.Over:
	case s.Quitting:
		lines = append(lines, dim().Render("ending …"))
	default:
		lines = append(lines, dim().Render("o outage   r reject the token   s suspend   q quit"))
	}
	for i, line := range lines {
		lines[i] = ansi.Truncate(line, s.Width, "")
	}
	return strings.TrimRight(strings.Join(lines, "\n"), "\n")
}

// accessToken returns the state of the access token, and a style for it.
func (s Screen) accessToken() (style lipgloss.Style, word string) {
	shot, st := s.Snapshot, s.Snapshot.Status
	switch {
	case shot.Logins == 0:
	case shot.Condition == Rejecting:
		return bad(), "rejected"
	case st.Phase == tokensource.Expired || st.Phase == tokensource.Ended:
		return bad(), "expired"
	case !shot.Now.Before(st.RefreshAt):
		return note().Bold(true), "refreshing"
	}
	return good(), ""
}

// deadline draws a bar of the time left until end, which is at most full.
func (s Screen) deadline(name string, end time.Time, full time.Duration, style lipgloss.Style, word string) string {
	width, left, value := s.Width-nameWidth-valueWidth, 0.0, "–"
	if s.Snapshot.Logins > 0 {
		left = min(max(0, end.Sub(s.Snapshot.Now)), full).Seconds()
		value = fmt.Sprintf("%.1f s", left)
	}
	cells := int(math.Ceil(left / full.Seconds() * float64(width)))
	bar := style.Render(strings.Repeat("█", cells)) + dim().Render(strings.Repeat("·", width-cells))
	return pad(name, nameWidth) + bar + fmt.Sprintf(" %7s  ", value) + style.Render(word)
}

func (s Screen) gateway() string {
	style, text := bad(), string(s.Snapshot.Condition)
	switch {
	case text == "":
		style, text = dim(), "○ not called yet"
	case s.Snapshot.Condition == Healthy:
		style = good()
	case s.Snapshot.Condition == Slow:
		style = note().Bold(true)
	}
	return pad("gateway", nameWidth) + style.Render(text)
}

// chart draws the last rates, the highest of them with full height.
func (s Screen) chart() string {
	width := s.Width - nameWidth - valueWidth
	rates := s.Rates[max(0, len(s.Rates)-width):]
	if len(rates) == 0 {
		return "served"
	}
	top := max(1, slices.Max(rates))
	var b strings.Builder
	for _, rate := range rates {
		b.WriteRune([]rune(" ▁▂▃▄▅▆▇█")[int(math.Ceil(rate/top*8))])
	}
	return pad("served", nameWidth+width-len(rates)) + note().Render(b.String()) + fmt.Sprintf(" %7.0f  per second", rates[len(rates)-1])
}

// lastEvents returns the last events in height lines.
func (s Screen) lastEvents(height int) []string {
	lines := make([]string, height)
	for i, e := range s.Events[max(0, len(s.Events)-height):] {
		style := lipgloss.NewStyle()
		switch {
		case strings.Contains(e.Text, "FAILED") || strings.Contains(e.Text, "ENDED"):
			style = bad()
		case e.Subject == "you" || e.Subject == "demo":
			style = note()
		}
		lines[i] = style.Render(ansi.Truncate(e.String(), s.Width, "…"))
	}
	return lines
}

func pad(text string, width int) string {
	return text + strings.Repeat(" ", max(0, width-ansi.StringWidth(text)))
}
