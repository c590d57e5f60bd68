package picture

import (
	"image/color"

	"charm.land/lipgloss/v2"
)

// palette is how things look. What a colour says is said in words or by a shape as
// well.
type palette struct {
	head, dim                lipgloss.Style
	good, due, bad, act, key lipgloss.Style
}

// colours of a background: good, due, bad, act, and dim, all of them easily told
// from it.
type colours struct{ good, due, bad, act, dim string }

// paletteFor returns the palette for a background. Where that is not known it is
// that of the terminal's own basic colours, whose owner can read them, and what is
// dim is faint.
func paletteFor(b Background) palette {
	var c colours
	switch b {
	case Light:
		c = colours{good: "28", due: "130", bad: "160", act: "90", dim: "242"}
	case Dark:
		c = colours{good: "114", due: "215", bad: "203", act: "177", dim: "246"}
	case Unknown:
		c = colours{good: "2", due: "5", bad: "1", act: "5"}
	}
	style := func(name string) lipgloss.Style { return lipgloss.NewStyle().Foreground(colour(name)) }
	p := palette{
		head: lipgloss.NewStyle().Bold(true),
		dim:  lipgloss.NewStyle().Faint(true),
		good: style(c.good),
		due:  style(c.due).Bold(true),
		bad:  style(c.bad).Bold(true),
		act:  style(c.act),
		key:  lipgloss.NewStyle().Bold(true),
	}
	if c.dim != "" {
		p.dim = style(c.dim)
	}
	return p
}

func colour(name string) color.Color { return lipgloss.Color(name) }
