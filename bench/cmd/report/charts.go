package main

import (
	"bytes"
	"image/color"
	"math"
	"os"
	"regexp"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"

	"github.com/agsauth/agsauth/bench/internal/impl"
	"github.com/agsauth/agsauth/bench/internal/scenario"
)

// colourOf returns colours that differ on white, on black, and for colour-blind readers.
// Black becomes the colour of the reader's text: see adaptive.
func colourOf(name string) color.Color {
	switch name {
	case impl.FloorName:
		return color.RGBA{0x8b, 0x94, 0x9e, 0xff}
	case impl.OursName:
		return color.RGBA{0x1f, 0x9d, 0x6b, 0xff}
	default:
		return color.RGBA{0xd9, 0x77, 0x06, 0xff}
	}
}

// chartName returns an implementation's name on a chart.
func chartName(name string) string {
	return strings.Trim(impl.Title(name), "*")
}

// drawLatencies draws the latency of callers around a refresh: one panel for each
// implementation, on the same time axis.
func (m *measurements) drawLatencies(path string) error {
	var rows [][]*plot.Plot
	for _, of := range names() {
		for _, r := range m.scenarios {
			if r.Job == "refresh" && r.Of == of && len(r.Around) > 0 {
				p, err := panel(of, r.Around)
				if err != nil {
					return err
				}
				rows = append(rows, []*plot.Plot{p})
			}
		}
	}
	if len(rows) == 0 {
		return nil
	}
	last := rows[len(rows)-1][0]
	last.X.Label.Text = "milliseconds from the beginning of a refresh that takes 200 ms"
	last.X.Tick.Marker = plot.ConstantTicks{{Value: -100, Label: "-100"}, {Value: 0, Label: "0"}, {Value: 100, Label: "100"}, {Value: 200, Label: "200"}, {Value: 300, Label: "300"}, {Value: 400, Label: "400"}}
	const width, height = 8 * vg.Inch, 0.72 * vg.Inch
	canvas := vgsvg.New(width, height*vg.Length(len(rows))+0.5*vg.Inch)
	tiles := draw.Tiles{Rows: len(rows), Cols: 1, PadY: vg.Points(3), PadRight: vg.Points(12), PadBottom: vg.Points(4), PadTop: vg.Points(4), PadLeft: vg.Points(4)}
	for i, c := range plot.Align(rows, tiles, draw.New(canvas)) {
		rows[i][0].Draw(c[0])
	}
	return adaptive(canvas, path)
}

func sans(size vg.Length) font.Font {
	return font.Font{Typeface: "Liberation", Variant: "Sans", Size: vg.Points(float64(size))}
}

func newPlot() *plot.Plot {
	p := plot.New()
	p.BackgroundColor = color.Transparent
	for _, axis := range []*plot.Axis{&p.X, &p.Y} {
		axis.Label.TextStyle.Font, axis.Tick.Label.Font = sans(10), sans(9)
	}
	p.Legend.TextStyle.Font = sans(10)
	return p
}

// panel draws the longest latency in each 10 ms for one implementation.
func panel(of string, steps []scenario.Step) (*plot.Plot, error) {
	p := newPlot()
	points := make(plotter.XYs, 0, len(steps))
	longest := 0.0
	for _, s := range steps {
		points = append(points, plotter.XY{X: s.At, Y: s.Max})
		longest = max(longest, s.Max)
	}
	line, err := plotter.NewLine(points)
	if err != nil {
		return nil, err
	}
	line.Color, line.Width = colourOf(of), vg.Points(1.6)
	r, g, b, _ := colourOf(of).RGBA()
	line.FillColor = color.NRGBA{uint8(r >> 8), uint8(g >> 8), uint8(b >> 8), 0x50}
	label, err := plotter.NewLabels(plotter.XYLabels{
		XYs:    []plotter.XY{{X: 215, Y: 130}},
		Labels: []string{chartName(of) + ": at most " + msec(longest)},
	})
	if err != nil {
		return nil, err
	}
	label.TextStyle[0].Font = sans(10)
	p.Add(line, label)
	for _, at := range []float64{0, 200} { // the refresh
		edge, err := plotter.NewLine(plotter.XYs{{X: at, Y: 0}, {X: at, Y: 230}})
		if err != nil {
			return nil, err
		}
		edge.Color, edge.Width, edge.Dashes = colourOf(impl.FloorName), vg.Points(0.8), []vg.Length{vg.Points(3), vg.Points(3)}
		p.Add(edge)
	}
	p.X.Min, p.X.Max, p.Y.Min, p.Y.Max = -150, 440, 0, 230
	p.HideY()
	p.X.Tick.Marker = plot.ConstantTicks{}
	return p, nil
}

// drawCached draws the time of a cached token as bars.
func (m *measurements) drawCached(path string) error {
	p := newPlot()
	var shown []string
	for _, of := range names() {
		if _, ok := m.cached(0, of); ok && of != "azcore" {
			shown = append(shown, of)
		}
	}
	for i, column := range []int{4, 0} {
		values := make(plotter.Values, len(shown))
		for j, of := range shown {
			b, _ := m.cached(column, of)
			values[len(shown)-1-j] = b.time.Center
		}
		bars, err := plotter.NewBarChart(values, vg.Points(9))
		if err != nil {
			return err
		}
		bars.Horizontal, bars.LineStyle.Width, bars.Offset = true, 0, vg.Points(float64(i*10-5))
		bars.Color = []color.Color{color.RGBA{0xd9, 0x77, 0x06, 0xff}, color.RGBA{0x1f, 0x9d, 0x6b, 0xff}}[i]
		p.Add(bars)
		p.Legend.Add(columns[column].title, bars)
	}
	labels := make([]string, len(shown))
	for i, of := range shown {
		labels[len(shown)-1-i] = chartName(of) + "    "
	}
	p.NominalY(labels...)
	p.X.Label.Text, p.X.Min = "nanoseconds a call", 0
	p.X.Max = math.Ceil(p.X.Max*1.05/50) * 50
	p.Y.Max += 0.6
	p.Legend.Top = true
	p.Legend.YOffs, p.Legend.XOffs, p.Legend.Padding = vg.Points(-8), vg.Points(-12), vg.Points(3)
	canvas := vgsvg.New(8*vg.Inch, 3.6*vg.Inch)
	p.Draw(draw.New(canvas))
	return adaptive(canvas, path)
}

// adaptive writes the chart. It replaces black by the colour of the reader's text, which
// is dark on a light page and light on a dark one.
func adaptive(canvas *vgsvg.Canvas, path string) error {
	var text bytes.Buffer
	if _, err := canvas.WriteTo(&text); err != nil {
		return err
	}
	const style = `<style>:root{color:#24292f}@media(prefers-color-scheme:dark){:root{color:#d0d7de}}text{fill:currentColor}</style>`
	svg := text.String()
	svg = strings.ReplaceAll(svg, "fill:#000000", "fill:currentColor")
	svg = strings.ReplaceAll(svg, "stroke:#000000", "stroke:currentColor")
	svg = regexp.MustCompile(`font-family:[^;"]*`).ReplaceAllString(svg, "font-family:Arial,Helvetica,Liberation Sans,sans-serif")
	if head := strings.Index(svg, "<svg"); head >= 0 {
		end := head + strings.Index(svg[head:], ">") + 1
		svg = svg[:end] + style + svg[end:]
	}
	return os.WriteFile(path, []byte(svg), 0o644)
}
