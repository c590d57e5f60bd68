// Package statusview shows where a session stands: as text for a person, as JSON for a
// program, or as a picture that is drawn again every second.
package statusview

import (
	"fmt"
	"math"
	"strings"
	"time"

	"charm.land/lipgloss/v2"
	"github.com/charmbracelet/x/ansi"

	"github.com/agsauth/agsauth/cmd/agsauth/internal/exit"
	"github.com/agsauth/agsauth/cmd/agsauth/internal/terminal"
	"github.com/agsauth/agsauth/tokensource"
)

// View is a session at one moment, and what was asked about it.
type View struct {
	// Profile is the name of the profile, and Gateway the gateway's URL.
	Profile, Gateway string
	// Command returns the command line of a command of this profile. Nil means
	// "agsauth NAME".
	Command func(name string) string
	Status  tokensource.Status
	Now     time.Time
	// Location is the time zone of Text. Nil means UTC.
	Location *time.Location
	// MinValidity is how long the access token must remain valid; zero means that this
	// was not asked.
	MinValidity time.Duration
}

// Look is how a View is drawn.
type Look struct {
	Width int // in cells
	Color bool
}

// The layout, in cells.
const (
	nameWidth   = 15
	leftWidth   = 15 // "9 h 59 m left"
	dateWidth   = 24 // "2026-11-27 18:03:11 CEST"
	minBar      = 8
	maxBar      = 60
	maxSentence = 100
	narrowest   = 20
)

// SignedIn reports whether there is a session that can give a token, now or after a
// refresh.
func (v View) SignedIn() bool {
	switch v.Status.Phase {
	case tokensource.Fresh, tokensource.Ageing:
		return true
	case tokensource.Expired:
		return v.Status.RejectedAt.IsZero()
	case tokensource.Unknown, tokensource.Ended:
	}
	return false
}

// Renewable reports whether there is a session that a refresh can extend, as far as is
// known.
func (v View) Renewable() bool {
	return v.SignedIn() && v.Status.Reason == 0 && v.Status.RejectedAt.IsZero()
}

// Remaining returns how long the access token can be used from now, without a refresh.
func (v View) Remaining() time.Duration {
	st := v.Status
	if st.Phase != tokensource.Fresh && st.Phase != tokensource.Ageing {
		return 0
	}
	end := st.ExpiresAt
	if !st.FixedExpiresAt.IsZero() && st.FixedExpiresAt.Before(end) {
		end = st.FixedExpiresAt
	}
	return max(0, end.Sub(v.Now))
}

// IsValid reports whether the access token remains valid for MinValidity.
func (v View) IsValid() bool { return v.Remaining() >= max(v.MinValidity, 1) }

// Text draws the view in lines of at most Width cells, or 20 if that is more. It ends with
// a newline.
func (v View) Text(look Look) string {
	d := drawing{View: v, Look: look}
	d.Width = max(narrowest, look.Width)
	lines := d.head()
	if deadlines := d.deadlines(); len(deadlines) > 0 {
		lines = append(append(lines, ""), deadlines...)
	}
	lines = append(lines, "")
	for _, s := range v.sentences() {
		lines = append(lines, ansi.Wrap(d.printable(s), min(d.Width, maxSentence), ""))
	}
	return strings.Join(lines, "\n") + "\n"
}

// drawing is a View in one Look.
type drawing struct {
	View
	Look
}

// Colours repeat what words say. They are the terminal's own, which can be read on its
// background.
func (d drawing) paint(style lipgloss.Style, text string) string {
	if !d.Color {
		return text
	}
	return style.Render(text)
}

func bold() lipgloss.Style { return lipgloss.NewStyle().Bold(true) }
func dim() lipgloss.Style  { return lipgloss.NewStyle().Faint(true) }
func good() lipgloss.Style { return lipgloss.NewStyle().Foreground(lipgloss.Green) }
func note() lipgloss.Style { return lipgloss.NewStyle().Foreground(lipgloss.Magenta) }
func bad() lipgloss.Style  { return bold().Foreground(lipgloss.Red) }

func (drawing) printable(text string) string { return terminal.Printable(text) }

// head returns the lines above the deadlines.
func (d drawing) head() []string {
	st := d.Status
	style, phase := good(), st.Phase.String()
	switch st.Phase {
	case tokensource.Unknown:
		style = dim()
	case tokensource.Fresh:
	case tokensource.Ageing, tokensource.Expired:
		style = note()
	case tokensource.Ended:
		style = bad()
	}
	switch st.Reason {
	case 0:
	case tokensource.NoSession:
		phase = "none"
	case tokensource.RefreshExpired, tokensource.FixedExpired, tokensource.RefreshRejected, tokensource.SignedOut:
		phase += ": " + exit.Plain(st.Reason.String())
	}
	lines := []string{
		d.field("profile", strings.TrimSpace(d.Profile+"  "+d.Gateway), lipgloss.NewStyle()),
		d.field("session", phase, style),
	}
	if st.AccountID != "" {
		lines = append(lines, d.field("account", st.AccountID, lipgloss.NewStyle()))
	}
	if st.ClientID != "" {
		lines = append(lines, d.field("device", st.ClientID, lipgloss.NewStyle()))
	}
	return lines
}

func (d drawing) field(name, value string, style lipgloss.Style) string {
	value = ansi.Truncate(d.printable(value), d.Width-nameWidth, "…")
	return pad(name, nameWidth) + d.paint(style, value)
}

// deadlines returns a line for each deadline that is known.
func (d drawing) deadlines() []string {
	st := d.Status
	var lines []string
	for _, row := range []struct {
		name string
		end  time.Time
		span time.Duration
	}{
		{"access token", st.ExpiresAt, st.ExpiresAt.Sub(st.IssuedAt)},
		{"refresh token", st.RefreshExpiresAt, st.RefreshExpiresAt.Sub(st.IssuedAt)},
		// When the session began is not known after a refresh.
		{"session", st.FixedExpiresAt, roundSpan(st.FixedExpiresAt.Sub(st.IssuedAt))},
	} {
		if !row.end.IsZero() {
			lines = append(lines, d.deadline(row.name, row.end, row.span))
		}
	}
	return lines
}

// roundSpan returns the shortest usual lifetime of a session that is not shorter than d.
func roundSpan(d time.Duration) time.Duration {
	const day = 24 * time.Hour
	for _, span := range []time.Duration{
		time.Minute, 10 * time.Minute, time.Hour, 6 * time.Hour, day, 7 * day, 30 * day, 90 * day, 365 * day, 5 * 365 * day,
	} {
		if d <= span {
			return span
		}
	}
	return d
}

// deadline draws a line: what is left of span as a bar and in words, and the date. A narrow
// line has no bar.
func (d drawing) deadline(name string, end time.Time, span time.Duration) string {
	left := end.Sub(d.Now)
	style, words := good(), human(left)+" left"
	switch {
	case left <= 0:
		style, words = bad(), human(-left)+" ago"
	case left < span/10:
		style = note()
	}
	line := pad(name, nameWidth)
	date := d.date(end)
	if bar := min(d.Width-nameWidth-leftWidth-dateWidth-2, maxBar); bar >= minBar {
		cells := int(math.Ceil(min(1, max(0, left.Seconds()/max(1, span.Seconds()))) * float64(bar)))
		line += d.paint(style, strings.Repeat("█", cells)) + d.paint(dim(), strings.Repeat("·", bar-cells)) + "  "
	}
	return ansi.Truncate(line+d.paint(style, pad(words, leftWidth))+date, d.Width, "…")
}

// date returns the date and time of at in the zone of the view.
func (v View) date(at time.Time) string {
	location := time.UTC
	if v.Location != nil {
		location = v.Location
	}
	return at.In(location).Format("2006-01-02 15:04:05 MST")
}

// human returns a duration, rounded to one unit, or to two where the second one matters.
func human(d time.Duration) string {
	const day = 24 * time.Hour
	seconds := int(math.Ceil(d.Seconds()))
	minutes, hours := int(d.Round(time.Minute)/time.Minute), int(d.Round(time.Hour)/time.Hour)
	switch {
	case seconds < 60:
		return fmt.Sprintf("%d s", seconds)
	case seconds < 10*60:
		return fmt.Sprintf("%d m %d s", seconds/60, seconds%60)
	case minutes < 60:
		return fmt.Sprintf("%d min", minutes)
	case minutes < 10*60 && minutes%60 > 0:
		return fmt.Sprintf("%d h %d m", minutes/60, minutes%60)
	case hours < 48:
		return fmt.Sprintf("%d h", hours)
	default:
		return fmt.Sprintf("%d d", d.Round(day)/day)
	}
}

func pad(text string, width int) string {
	return text + strings.Repeat(" ", max(0, width-ansi.StringWidth(text)))
}
