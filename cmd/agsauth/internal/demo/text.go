package demo

import (
	"fmt"
	"strings"
	"time"
)

// String returns what the workers did during a refresh or login.
func (a activity) String() string {
	switch {
	case a.requests == 0:
		return "all workers waited for it"
	case a.failed > 0:
		return fmt.Sprintf("%s meanwhile, %d failed", requests(a.requests), a.failed)
	}
	return fmt.Sprintf("%s meanwhile, slowest %s", requests(a.requests), span(a.slowest))
}

func requests(n int) string {
	if n == 1 {
		return "1 request"
	}
	return fmt.Sprintf("%d requests", n)
}

func validity(left time.Duration) string {
	if left <= 0 {
		return "token expired"
	}
	return "token valid for " + span(left)
}

// span returns a duration with two or three significant digits.
func span(d time.Duration) string {
	switch {
	case d <= 0:
		return "0 s"
	case d < 10*time.Millisecond:
		return fmt.Sprintf("%.1f ms", d.Seconds()*1e3)
	case d < time.Second:
		return fmt.Sprintf("%.0f ms", d.Seconds()*1e3)
	}
	return fmt.Sprintf("%.1f s", d.Seconds())
}

func oneLine(err error) string { return strings.Join(strings.Fields(err.Error()), " ") }
