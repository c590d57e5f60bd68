package picture

import (
	"fmt"
	"math"
	"strings"

	"charm.land/lipgloss/v2"
	"github.com/charmbracelet/x/ansi"

	"github.com/agsauth/agsauth/cmd/agsauth/internal/demo"
)

// The columns: of names, of what stands to the right of a bar, and from which
// height on the chart has several lines.
const (
	nameWidth  = 15
	valueWidth = 24
	tall       = 30
	tallChart  = 4
	// Below this height there are no empty lines between the groups.
	airy = 18
)

// View returns the picture of a state: at most Height lines, none of them wider
// than Width.
func View(s State) string {
	if s.Width < MinWidth || s.Height < MinHeight {
		return ansi.Truncate(fmt.Sprintf("The picture needs %d × %d cells; q quits.", MinWidth, MinHeight), s.Width, "")
	}
	p := paletteFor(s.Background)
	groups := [][]string{
		{title(s, p)},
		{access(s, p), refresh(s, p), session(s, p)},
		append([]string{gateway(s, p)}, rates(s, p)...),
		append(counts(s, p), rule(s, p)),
	}
	var above []string
	for i, group := range groups {
		if i > 0 && s.Height >= airy {
			above = append(above, "")
		}
		above = append(above, group...)
	}
	lines := append(above, told(s, p, s.Height-len(above)-1)...)
	if !s.Over {
		lines = append(lines, keys(s, p))
	}
	for i, line := range lines {
		lines[i] = ansi.Truncate(line, s.Width, "")
	}
	return strings.Join(lines, "\n")
}

// title says what is seen, and how far it is.
func title(s State, p palette) string {
	what := "agsauth demo"
	if s.Workers > 0 {
		what += fmt.Sprintf("  %d workers call an API with a gateway's tokens", s.Workers)
	}
	far := fmt.Sprintf("%.0f of about %.0f s", s.Glance.At.Seconds(), s.Lasts.Seconds())
	return p.head.Render(apart(what, far, s.Width))
}

// access, refresh and session are the three horizons.
func access(s State, p palette) string {
	look, word := p.good, ""
	switch g := s.Glance; {
	case g.Logins == 0:
	case g.Weather == demo.Rejecting:
		look, word = p.bad, "rejected"
	case g.Dead:
		look, word = p.bad, "dead"
		if g.NextIn > 0 {
			word = fmt.Sprintf("retry in %.0f s", math.Ceil(g.NextIn.Seconds()))
		}
	case g.Due:
		look, word = p.due, "refreshing"
	}
	return horizon(s, p, "access token", s.Glance.Access, look, word)
}

func refresh(s State, p palette) string {
	return horizon(s, p, "refresh token", s.Glance.Refresh, p.good, "")
}

func session(s State, p palette) string {
	name := "session"
	if s.Glance.Logins > 0 {
		name = fmt.Sprintf("session %d", s.Glance.Logins)
	}
	return horizon(s, p, name, s.Glance.Session, p.good, "")
}

func horizon(s State, p palette, name string, h demo.Horizon, look lipgloss.Style, word string) string {
	share, left := 0.0, "–"
	if h.Whole > 0 {
		share, left = h.Left.Seconds()/h.Whole.Seconds(), fmt.Sprintf("%.1f s", h.Left.Seconds())
	}
	full, empty := bar(share, s.Width-nameWidth-valueWidth)
	value := fmt.Sprintf(" %7s  %s", left, look.Render(word))
	return pad(name, nameWidth) + look.Render(full) + p.dim.Render(empty) + value
}

// gateway says what the gateway and the API are doing.
func gateway(s State, p palette) string {
	look, what := p.good, "● healthy"
	switch g := s.Glance; {
	case g.Weather == demo.Out:
		look, what = p.bad, fmt.Sprintf("✗ out by your key for %.1f s: all is refused", g.OutFor.Seconds())
	case g.Weather == demo.Rejecting:
		look, what = p.bad, "✗ rejecting: the API takes this token no more"
	case g.Weather == demo.Failing:
		look, what = p.bad, "✗ failing: it refuses, or loses the answer"
	case g.Weather == demo.Slow:
		look, what = p.due, "◐ slow: a refresh takes its time"
	case g.Logins == 0:
		look, what = p.dim, "○ not asked yet"
	}
	return pad("gateway", nameWidth) + look.Render(what)
}

// rates is the chart of requests a second that did not fail, of several lines in a tall window.
func rates(s State, p palette) []string {
	height := 1
	if s.Height >= tall {
		height = tallChart
	}
	lines := spark(s.Rates, s.Width-nameWidth-valueWidth, height)
	for i, line := range lines {
		name := ""
		if i == 0 {
			name = "served"
		}
		lines[i] = pad(name, nameWidth) + p.act.Render(line)
	}
	if n := len(s.Rates); n > 0 {
		lines[height-1] += fmt.Sprintf(" %7.0f  a second", s.Rates[n-1])
	}
	return lines
}

// counts are the sums so far.
func counts(s State, p palette) []string {
	g := s.Glance
	count := func(n int, one, more string, look lipgloss.Style) string {
		if n != 1 {
			one = more
		}
		return look.Render(fmt.Sprint(n)) + " " + one
	}
	failed := p.good.Bold(true)
	if g.Failed > 0 {
		failed = p.bad
	}
	all := []string{
		count(g.Requests, "request", "requests", p.head),
		count(g.Failed, "failed", "failed", failed),
		count(g.Refreshes, "refresh", "refreshes", p.head),
		count(g.Replaced, "rejected and repeated", "rejected and repeated", p.head),
		count(g.Logins, "login", "logins", p.head),
	}
	if g.ByHand > 0 {
		all[1] += fmt.Sprintf(" (%d by you)", g.ByHand)
	}
	return flow(all, "   ", s.Width)
}

// rule is a line across, with a title.
func rule(s State, p palette) string {
	return p.dim.Render("── what happened " + strings.Repeat("─", max(0, s.Width-17)))
}

// told is the last of what was told, from the top of height lines; at the end
// without those that are empty.
func told(s State, p palette, height int) []string {
	if s.Over {
		height = min(height, len(s.Lines))
	}
	lines := make([]string, height)
	for i, line := range s.Lines[max(0, len(s.Lines)-height):] {
		line = ansi.Truncate(line, s.Width, "…")
		switch who := subject(line); {
		case strings.Contains(line, "FAILED") || strings.Contains(line, "ENDED"):
			line = p.bad.Render(line)
		case who == "you":
			line = p.due.Render(line)
		case who == "demo":
			line = p.act.Render(line)
		}
		lines[i] = line
	}
	return lines
}

// subject returns who does what a line tells.
func subject(line string) string {
	if words := strings.Fields(line); len(words) > 1 {
		return words[1]
	}
	return ""
}

// keys says what can be done.
func keys(s State, p palette) string {
	if s.Quitting {
		return p.dim.Render("winding up …")
	}
	var all []string
	for _, b := range bindings() {
		what := b.what
		if s.Width < 80 {
			what = b.short
		}
		all = append(all, p.key.Render(b.key)+p.dim.Render(" "+what))
	}
	return strings.Join(all, p.dim.Render("   "))
}

// apart returns two texts at the two ends of a line; the first gives way.
func apart(left, right string, width int) string {
	left = ansi.Truncate(left, max(0, width-lipgloss.Width(right)-2), "…")
	return left + strings.Repeat(" ", max(1, width-lipgloss.Width(left)-lipgloss.Width(right))) + right
}

func pad(text string, width int) string {
	return text + strings.Repeat(" ", max(0, width-lipgloss.Width(text)))
}

// flow returns texts on as few lines as they fit on.
func flow(texts []string, between string, width int) []string {
	lines := []string{texts[0]}
	for _, text := range texts[1:] {
		last := len(lines) - 1
		if longer := lines[last] + between + text; lipgloss.Width(longer) <= width {
			lines[last] = longer
		} else {
			lines = append(lines, text)
		}
	}
	return lines
}
