package demo

import "time"

// Unexported functions.
var (
	Capable         = capable
	DefaultManyPlan = manyPlan
	Reason          = reason
	Span            = span
)

// ActivityText returns the text of an activity.
func ActivityText(requests, failed int, slowest time.Duration) string {
	return activity{requests, failed, slowest}.String()
}
