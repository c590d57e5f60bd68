package doctor

import (
	"fmt"
	"io"
)

// Print writes the report as a table. paint adds colour to a text for a level; nil
// means none.
func (r Report) Print(w io.Writer, paint func(Level, string) string) error {
	if paint == nil {
		paint = func(_ Level, text string) string { return text }
	}
	width := 0
	for _, result := range r.Results {
		width = max(width, len(result.Name))
	}
	for _, result := range r.Results {
		if _, err := fmt.Fprintf(w, "%s %-*s  %s\n", paint(result.Level, mark(result.Level)), width, result.Name, result.Text); err != nil {
			return err
		}
		if result.Hint == "" {
			continue
		}
		if _, err := fmt.Fprintf(w, "  %-*s  → %s\n", width, "", result.Hint); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(w, "\n%s\n", r.Summary)
	return err
}

// Paint colours a text for a terminal: red for a failure, yellow for a warning, green for
// what is well, and faint for what was skipped.
func Paint(level Level, text string) string {
	color := map[Level]string{OK: "32", Warning: "33", Failure: "31", Skipped: "2"}[level]
	return "\x1b[" + color + "m" + text + "\x1b[0m"
}

func mark(level Level) string {
	switch level {
	case OK:
		return "✓"
	case Warning:
		return "!"
	case Failure:
		return "✗"
	case Skipped:
		return "-"
	}
	return "?"
}

// String returns the counts in words.
func (s Summary) String() string {
	return fmt.Sprintf("%s, %s, %d ok, %d skipped", count(s.Failures, "failure"), count(s.Warnings, "warning"), s.OK, s.Skipped)
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
