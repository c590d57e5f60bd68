package demo_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/agsauth/agsauth/ags"
	"github.com/agsauth/agsauth/cmd/agsauth/internal/demo"
)

func TestText(t *testing.T) {
	for _, tt := range []struct{ want, got string }{
		{"0s", demo.Span(-time.Second)},
		{"1.2ms", demo.Span(1234 * time.Microsecond)},
		{"250ms", demo.Span(250 * time.Millisecond)},
		{"1.8s", demo.Span(1750 * time.Millisecond)},
		{"503", demo.Reason(fmt.Errorf("refresh: %w", &ags.Error{Status: 503}))},
		{"no way", demo.Reason(errors.New("no way"))},
		{"all workers waited for it", demo.ActivityText(0, 0, time.Second)},
		{"1 request meanwhile, slowest 12ms", demo.ActivityText(1, 0, 12*time.Millisecond)},
		{"90 requests meanwhile, 40 failed", demo.ActivityText(90, 40, time.Second)},
		{" 4.4s  refresh 3  took 250 ms", demo.Event{At: 4449 * time.Millisecond, Subject: "refresh 3", Text: "took 250 ms"}.String()},
		{"61.0s  refresh 12 took 250 ms", demo.Event{At: 61 * time.Second, Subject: "refresh 12", Text: "took 250 ms"}.String()},
	} {
		assert.Equal(t, tt.want, tt.got)
	}
}

func TestReport_FaultsByKey(t *testing.T) {
	report := demo.Report{
		Totals:  demo.Totals{Requests: 100, Failed: 12, FailedByKeys: 10, Keys: demo.Keys{Outages: 2, Suspends: 1}},
		Excused: []string{"a login before the session's end: it came too late"},
	}
	text := report.String()
	assert.Contains(t, text, "    failed                      12\n")
	assert.Contains(t, text, "  faults by key                  3   outages 2, rejections 0, suspends 1\n")
	assert.True(t, strings.HasSuffix(text, "\nFAILED: 12 requests, 10 of them because of your keys.\n"+
		"EXCUSED because of your keys: a login before the session's end: it came too late.\n"), text)
	assert.False(t, report.OK())

	report.Failed, report.FailedByKeys = 0, 0
	assert.True(t, report.OK())
	assert.True(t, strings.HasSuffix(report.String(), "\nNo request failed.\n"+
		"EXCUSED because of your keys: a login before the session's end: it came too late.\n"))
}
