package main

import (
	"encoding/csv"
	"fmt"
	"image/color"
	"os"
	"strconv"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"

	"github.com/agsauth/agsauth/bench/internal/impl"
)

// The table of the outage, as tokensource/internal/simulation/outage writes it.
const (
	outageSessions = 20_000
	outageMinutes  = 5
	gatewayRate    = 20 // what the gateway is good for
	// A point of the chart is the mean of so many seconds: plain token caches have given up
	// after ten, and ask again one later, all at the same times.
	outageSeconds = 11
	leastCalls    = 0.5
	labelsAt      = 12.5 // minutes, so that they fit with a wide font, too
)

// curve is what the chart shows of one kind of sessions.
type curve struct {
	calls, expired string // names of columns
	title          string
	y              float64 // of the title
	color          color.Color
}

func curves() []curve {
	return []curve{
		{"plain calls", "plain expired", "plain token caches", 1700, colourOf("")},
		{"ungated calls", "ungated expired", "agsauth without a Gate", 180, color.RGBA{0x3b, 0x82, 0xc4, 0xff}},
		{"gated calls", "gated expired", "agsauth behind a Gate", 2.6, colourOf(impl.OursName)},
	}
}

// drawOutage draws the calls a second through an outage, on a logarithmic axis.
func drawOutage(table, path string) error {
	columns, err := readColumns(table)
	if err != nil {
		return err
	}
	p := newPlot()
	p.X.Min, p.X.Max, p.Y.Min, p.Y.Max = -10, 30, leastCalls, 6000
	p.X.Label.Text, p.Y.Label.Text = "minutes from the beginning of the outage", "calls a second"
	p.X.Tick.Marker = plot.ConstantTicks(ticks(-10, -5, 0, 5, 10, 15, 20, 25, 30))
	p.Y.Scale, p.Y.Tick.Marker = plot.LogScale{}, plot.ConstantTicks(ticks(1, 10, 100, 1000))
	if err := addGateway(p); err != nil {
		return err
	}
	for _, c := range curves() {
		if err := c.addTo(p, columns); err != nil {
			return err
		}
	}
	canvas := vgsvg.New(8*vg.Inch, 3.8*vg.Inch)
	p.Draw(draw.Crop(draw.New(canvas), vg.Points(6), vg.Points(-12), vg.Points(4), vg.Points(-4)))
	return adaptive(canvas, path)
}

func ticks(values ...float64) []plot.Tick {
	all := make([]plot.Tick, 0, len(values))
	for _, v := range values {
		all = append(all, plot.Tick{Value: v, Label: strconv.FormatFloat(v, 'f', -1, 64)})
	}
	return all
}

// readColumns reads a table of numbers, by the names of its columns.
func readColumns(path string) (map[string][]float64, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	rows, err := csv.NewReader(file).ReadAll()
	if err != nil || len(rows) < 2 {
		return nil, fmt.Errorf("%s: no table: %w", path, err)
	}
	columns := map[string][]float64{}
	for _, row := range rows[1:] {
		for i, name := range rows[0] {
			v, err := strconv.ParseFloat(row[i], 64)
			if err != nil {
				return nil, fmt.Errorf("%s: column %q: %w", path, name, err)
			}
			columns[name] = append(columns[name], v)
		}
	}
	return columns, nil
}

// addGateway shows when the gateway is away, and what it is good for.
func addGateway(p *plot.Plot) error {
	const foot, head = leastCalls, 6000
	away, err := plotter.NewPolygon(plotter.XYs{{X: 0, Y: foot}, {X: outageMinutes, Y: foot}, {X: outageMinutes, Y: head}, {X: 0, Y: head}})
	if err != nil {
		return err
	}
	away.Color, away.Width = color.NRGBA{0x8b, 0x94, 0x9e, 0x38}, 0
	good, err := plotter.NewLine(plotter.XYs{{X: p.X.Min, Y: gatewayRate}, {X: p.X.Max, Y: gatewayRate}})
	if err != nil {
		return err
	}
	good.Color, good.Width, good.Dashes = colourOf(impl.FloorName), vg.Points(0.8), []vg.Length{vg.Points(3), vg.Points(3)}
	p.Add(away, good)
	grey := colourOf(impl.FloorName)
	if err := addLabel(p, "gateway\naway", 0.4, 2500, grey); err != nil {
		return err
	}
	return addLabel(p, fmt.Sprintf("the gateway is good for %d a second", gatewayRate), labelsAt, 1.2*gatewayRate, grey)
}

func addLabel(p *plot.Plot, words string, x, y float64, c color.Color) error {
	l, err := plotter.NewLabels(plotter.XYLabels{XYs: plotter.XYs{{X: x, Y: y}}, Labels: []string{words}})
	if err != nil {
		return err
	}
	l.TextStyle[0].Font, l.TextStyle[0].Color = sans(10), c
	p.Add(l)
	return nil
}

// addTo draws a curve, with its title and how many have expired at the end.
func (c curve) addTo(p *plot.Plot, columns map[string][]float64) error {
	seconds, calls, expired := columns["second"], columns[c.calls], columns[c.expired]
	if len(calls) < outageSeconds || len(expired) == 0 {
		return fmt.Errorf("no column %q", c.calls)
	}
	var points plotter.XYs
	for i := 0; i+outageSeconds <= len(calls); i += outageSeconds {
		sum := 0.0
		for _, n := range calls[i : i+outageSeconds] {
			sum += n
		}
		if at := (seconds[i] + outageSeconds/2.0) / 60; at > p.X.Min && at < p.X.Max {
			points = append(points, plotter.XY{X: at, Y: max(leastCalls, sum/outageSeconds)})
		}
	}
	line, err := plotter.NewLine(points)
	if err != nil {
		return err
	}
	line.Color, line.Width = c.color, vg.Points(1.6)
	p.Add(line)
	part := expired[len(expired)-1] / outageSessions
	title := fmt.Sprintf("%s: %.0f %% have expired", c.title, 100*part)
	return addLabel(p, title, labelsAt, c.y, c.color)
}
