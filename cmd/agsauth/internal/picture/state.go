package picture

import (
	"time"

	"github.com/agsauth/agsauth/cmd/agsauth/internal/demo"
)

// The least window that has room for the picture. In a smaller one there is only
// a line that says so.
const (
	MinWidth  = 60
	MinHeight = 12
)

// Background is what the terminal's background is known to be.
type Background uint8

const (
	// Unknown is a background that the terminal does not tell of.
	Unknown Background = iota
	// Light is a light background.
	Light
	// Dark is a dark one.
	Dark
)

// State is all that the picture shows.
type State struct {
	Width, Height int // of the window, in cells
	Background    Background
	Workers       int
	Lasts         time.Duration // about how long the demo lasts
	Glance        demo.Glance
	// Rates are how many requests a second did not fail, in spans of the same length, the
	// latest last.
	Rates []float64
	// Lines are what was told so far, the latest last.
	Lines []string
	// Quitting says that the user wants it to end. Over, that it has.
	Quitting, Over bool
}

// sample is one end of a span of [State].Rates.
type sample struct {
	at     time.Duration
	served int
}

// since returns the rate between two samples.
func (s sample) since(before sample) float64 {
	return float64(s.served-before.served) / (s.at - before.at).Seconds()
}
