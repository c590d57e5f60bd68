package demo

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"charm.land/lipgloss/v2"
	"github.com/charmbracelet/x/ansi"

	"github.com/agsauth/agsauth/tokensource"
)

// The layout, in cells.
const (
	minWidth, minHeight = 60, 12
	nameWidth           = 15 // left of a bar
	valueWidth          = 24 // right of a bar
	roomyHeight         = 18 // from here on there are empty lines
)

// Screen is all that the picture shows. String draws it.
type Screen struct {
	Width, Height int // of the window, in cells
	Plan          Plan
	Snapshot      Snapshot
	Rates         []float64 // successful requests per second
	Events        []Event
	Quitting      bool // the user wants the demo to end
	Over          bool
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
	status, session := s.Snapshot.Status, "session"
	if n := s.Snapshot.Logins; n > 0 {
		session = nth("session", n)
	}
	style, word := s.accessToken()
	lines := []string{
		s.title(), "",
		s.deadline("access token", status.ExpiresAt, s.Plan.Access, style, word),
		s.deadline("refresh token", status.RefreshExpiresAt, s.Plan.Refresh, good(), ""),
		s.deadline(session, status.FixedExpiresAt, s.Plan.Session, good(), ""), "",
		s.gateway(), s.chart(), "",
		s.requests(), s.tokens(),
		dim().Render("── events " + strings.Repeat("─", s.Width)),
	}
	if s.Height < roomyHeight {
		lines = slices.DeleteFunc(lines, func(line string) bool { return line == "" })
	}
	lines = append(lines, s.lastEvents(s.Height-len(lines)-1)...)
	if !s.Over {
		lines = append(lines, s.keys())
	}
	for i, line := range lines {
		lines[i] = ansi.Truncate(line, s.Width, "")
	}
	return strings.Join(lines, "\n")
}

func (s Screen) title() string {
	left := fmt.Sprintf("agsauth demo  %d workers call an API with a gateway's tokens", s.Plan.Workers)
	right := fmt.Sprintf("  %.0f of about %.0f s", s.Snapshot.At.Seconds(), (s.Plan.Session + s.Plan.Tail).Seconds())
	width := s.Width - ansi.StringWidth(right)
	return bold().Render(pad(ansi.Truncate(left, width, "…"), width) + right)
}

// accessToken returns the state of the access token, and a style for it.
func (s Screen) accessToken() (style lipgloss.Style, word string) {
	shot, st := s.Snapshot, s.Snapshot.Status
	expired := st.Phase == tokensource.Expired || st.Phase == tokensource.Ended
	switch {
	case shot.Logins == 0:
	case shot.Condition == Rejecting:
		return bad(), "rejected"
	case expired && st.Err != nil && st.NextAt.After(shot.Now):
		return bad(), fmt.Sprintf("retry in %.0f s", math.Ceil(st.NextAt.Sub(shot.Now).Seconds()))
	case expired:
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
	eighths := int(math.Ceil(left / full.Seconds() * float64(8*width)))
	bar := strings.Repeat("█", eighths/8)
	if eighths%8 > 0 {
		bar += string([]rune(" ▏▎▍▌▋▊▉")[eighths%8])
	}
	rest := strings.Repeat("·", width-ansi.StringWidth(bar))
	return pad(name, nameWidth) + style.Render(bar) + dim().Render(rest) + fmt.Sprintf(" %7s  ", value) + style.Render(word)
}

func (s Screen) gateway() string {
	style, text := good(), "● healthy"
	switch {
	case s.Snapshot.Condition == Out:
		style, text = bad(), fmt.Sprintf("✗ stopped by your key for %.1f s: refuses every call", s.Snapshot.OutageLeft.Seconds())
	case s.Snapshot.Condition == Rejecting:
		style, text = bad(), "✗ rejecting: the API does not accept this token"
	case s.Snapshot.Condition == Failing:
		style, text = bad(), "✗ failing: refuses calls or loses responses"
	case s.Snapshot.Condition == Slow:
		style, text = note().Bold(true), "◐ slow: a refresh takes longer than usual"
	case s.Snapshot.Logins == 0:
		style, text = dim(), "○ not called yet"
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

func (s Screen) requests() string {
	style, byKeys := good().Bold(true), ""
	if s.Snapshot.Failed > 0 {
		style = bad()
	}
	if n := s.Snapshot.FailedByKeys; n > 0 {
		byKeys = fmt.Sprintf(" (%d by you)", n)
	}
	return counter("requests", s.Snapshot.Requests, bold()) + "   " + counter("failed", s.Snapshot.Failed, style) + byKeys
}

func (s Screen) tokens() string {
	return counter("refreshes", s.Snapshot.Refreshes, bold()) + "   " +
		counter("rejected and repeated", s.Snapshot.Repeated, bold()) + "   " + counter("logins", s.Snapshot.Logins, bold())
}

func counter(name string, n int, style lipgloss.Style) string {
	return name + " " + style.Render(fmt.Sprint(n))
}

// lastEvents returns the last events for a space of height lines. At the end the
// space shrinks to the events.
func (s Screen) lastEvents(height int) []string {
	if s.Over {
		height = min(height, len(s.Events))
	}
	lines := make([]string, height)
	for i, e := range s.Events[max(0, len(s.Events)-height):] {
		style := lipgloss.NewStyle()
		switch {
		case strings.Contains(e.What, "FAILED") || strings.Contains(e.What, "ENDED"):
			style = bad()
		case e.Who == "you":
			style = note().Bold(true)
		case e.Who == "demo":
			style = note()
		}
		lines[i] = style.Render(ansi.Truncate(e.String(), s.Width, "…"))
	}
	return lines
}

func (s Screen) keys() string {
	if s.Quitting {
		return dim().Render("ending …")
	}
	var keys []string
	for _, text := range []string{"outage", "reject a token", "suspend", "quit"} {
		keys = append(keys, bold().Render(text[:1])+" "+dim().Render(text))
	}
	return strings.Join(keys, "   ")
}

func pad(text string, width int) string {
	return text + strings.Repeat(" ", max(0, width-ansi.StringWidth(text)))
}
