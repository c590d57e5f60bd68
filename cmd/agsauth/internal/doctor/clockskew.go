package doctor

import (
	"context"
	"fmt"
	"net/http"
	"time"
)

// The clocks may differ by this much. The library counts the life of a token from its
// arrival, by this machine's clock alone, so that no difference ends a session. But
// certificates, logs and programs that look at the times in a token depend on it, and
// five minutes are what servers usually tolerate.
const (
	skewWarning = 30 * time.Second
	skewFailure = 5 * time.Minute
)

func checkClock(_ context.Context, e *examination) Result {
	a := e.probe()
	if a.err != nil {
		return noAnswer(a)
	}
	return judgeClock(a.date, a.sent, a.received)
}

// judgeClock compares the Date of an answer with the time in the middle between sending
// the request and receiving the answer.
func judgeClock(date string, sent, received time.Time) Result {
	theirs, err := http.ParseTime(date)
	if err != nil {
		return skipped("the gateway's answer has no valid date")
	}
	// The field has no fractions of seconds.
	theirs = theirs.Add(500 * time.Millisecond)
	ours := sent.Add(received.Sub(sent) / 2)
	ahead := ours.Sub(theirs).Round(time.Second)
	uncertainty := (received.Sub(sent)/2 + 500*time.Millisecond).Round(time.Second)
	word := "ahead of"
	if ahead < 0 {
		word = "behind"
	}
	text := fmt.Sprintf("the clock of this machine is %s %s the gateway's", ahead.Abs(), word)
	const hint = "set the clock of this machine by a time server, for example with timedatectl set-ntp true; if it is right, tell the operator of the gateway"
	switch off := ahead.Abs(); {
	case off >= skewFailure:
		return failure(text, hint)
	case off >= skewWarning:
		return warning(text, hint)
	case off <= max(uncertainty, time.Second):
		return ok("the clock of this machine agrees with the gateway's")
	}
	return ok("%s", text)
}
