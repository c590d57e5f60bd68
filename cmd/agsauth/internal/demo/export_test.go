package demo

import "time"

// Span is span.
var Span = span

// ActivityText returns the text of an activity.
func ActivityText(requests, failed int, slowest time.Duration) string {
	return activity{requests, failed, slowest}.String()
}
