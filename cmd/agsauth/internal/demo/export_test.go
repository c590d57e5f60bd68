package demo

import "time"

// Unexported functions.
var (
	Capable = capable
	Reason  = reason
	Span    = span
)

// ActivityText returns the text of an activity.
func ActivityText(requests, failed int, slowest time.Duration) string {
	return activity{requests, failed, slowest}.String()
}
