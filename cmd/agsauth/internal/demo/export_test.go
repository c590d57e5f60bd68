package demo

import "time"

// Unexported functions for tests.
var (
	Capable  = capable
	Span     = span
	Validity = validity
)

// ActivityText returns the text of an activity.
func ActivityText(requests, failed int, slowest time.Duration) string {
	return activity{requests, failed, slowest}.String()
}
