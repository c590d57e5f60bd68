package picture

import (
	"math"
	"slices"
	"strings"
)

// The eighths of a cell, from the left and from the bottom.
const (
	fromLeft   = " ▏▎▍▌▋▊▉█"
	fromBottom = " ▁▂▃▄▅▆▇█"
)

// bar returns a bar of width cells of which share is full, as what is full and
// what is not: to the eighth of a cell. A share that is not zero is seen.
func bar(share float64, width int) (full, empty string) {
	eighths := int(math.Round(min(max(share, 0), 1) * float64(8*width)))
	if share > 0 {
		eighths = max(1, eighths)
	}
	full = strings.Repeat("█", eighths/8)
	if eighths%8 > 0 {
		full += string([]rune(fromLeft)[eighths%8])
	}
	return full, strings.Repeat("·", width-(eighths+7)/8)
}

// spark returns a chart of the last of values, of width and height cells, one line
// each from the top, with nothing to the left of the first of them. The highest
// fills the height.
func spark(values []float64, width, height int) []string {
	if len(values) > width {
		values = values[len(values)-width:]
	}
	top := 1.0
	if len(values) > 0 {
		top = max(top, slices.Max(values))
	}
	lines := make([]string, height)
	for i := range lines {
		var b strings.Builder
		b.WriteString(strings.Repeat(" ", width-len(values)))
		for _, v := range values {
			eighths := int(math.Round(v / top * float64(8*height)))
			if v > 0 {
				eighths = max(1, eighths)
			}
			inThisLine := min(max(eighths-8*(height-1-i), 0), 8)
			b.WriteRune([]rune(fromBottom)[inThisLine])
		}
		lines[i] = b.String()
	}
	return lines
}
