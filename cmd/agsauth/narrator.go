package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/agsauth/agsauth/cmd/agsauth/internal/demo"
)

// width is the longest line that is printed.
const width = 80

// narrator tells of the demo as it happens, a line each: when, who, and what who
// does.
type narrator struct{ out io.Writer }

func (n narrator) tell(m demo.Moment) {
	who, what := sentence(m)
	fmt.Fprintln(n.out, cut(fmt.Sprintf("%4.1fs  %-10s %s", m.At.Seconds(), who, what)))
}

// sentence returns a moment as the subject of a sentence and all the rest of it.
func sentence(m demo.Moment) (who, what string) {
	session, refresh := fmt.Sprintf("session %d", m.N), fmt.Sprintf("refresh %d", m.N)
	took, in, left := span(m.Took), span(m.In), span(m.Left)
	switch m.Kind {
	case demo.SessionBegun:
		return session, fmt.Sprintf("begins with a sign-on, as device %s, and lasts %s", m.Device, in)
	case demo.SessionEnding:
		return session, fmt.Sprintf("announces its end in %s, which no refresh moves", in)
	case demo.LoggedIn:
		return session, fmt.Sprintf("logs in %s ahead; %s", in, meanwhile(m))
	case demo.SessionOver:
		return session, fmt.Sprintf("is over; %s since the login, %d failed", requests(m.Served), m.Failed)
	case demo.SessionLost:
		return session, "has ENDED, and there is no other yet"
	case demo.LoginFailed:
		return "login", "FAILED: " + reason(m)
	case demo.RefreshPending:
		return refresh, fmt.Sprintf("is on its way; nobody waits: the token is good for %s", left)
	case demo.RefreshFailed:
		return refresh, fmt.Sprintf("is refused (%s); again in %s, the token is good for %s", reason(m), in, left)
	case demo.AnswerLost:
		return refresh, fmt.Sprintf("lost an answer; again at once, the token is good for %s", left)
	case demo.Refreshed:
		return refresh, fmt.Sprintf("took %s%s; %s", took, calls(m), meanwhile(m))
	case demo.GatewaySlows:
		return "demo", fmt.Sprintf("slows the gateway: the next refresh takes %s longer", took)
	case demo.GatewayFails:
		return "demo", fmt.Sprintf("breaks the gateway: %d refusals (503), then a lost answer", m.N)
	case demo.TokenRejected:
		return "demo", "has the API reject the current token, long before its time"
	case demo.TokenReplaced:
		return "API", fmt.Sprintf("rejected %s: repeated with a new token in %s", requests(m.N), took)
	case demo.WorkBegun:
		return "workers", fmt.Sprintf("start: %d of them call the API all the time", m.N)
	case demo.RequestFailed:
		return "workers", "have a FAILED request: " + reason(m)
	}
	return "", ""
}

// calls says how many calls something took, if that was more than one.
func calls(m demo.Moment) string {
	if m.Calls <= 1 {
		return ""
	}
	return fmt.Sprintf(", %d calls", m.Calls)
}

// meanwhile says what the workers did during something.
func meanwhile(m demo.Moment) string {
	if m.Served == 0 {
		return "all workers waited for it"
	}
	return fmt.Sprintf("%s meanwhile, slowest %s", requests(m.Served), span(m.Slowest))
}

func requests(n int) string {
	if n == 1 {
		return "1 request"
	}
	return fmt.Sprintf("%d requests", n)
}

// reason says why something failed, in one line.
func reason(m demo.Moment) string {
	if m.Err != nil {
		return strings.Join(strings.Fields(m.Err.Error()), " ")
	}
	return fmt.Sprint(m.Status)
}

// span returns a duration with as many digits as say something.
func span(d time.Duration) string {
	switch {
	case d <= 0:
		return "0 s"
	case d < 10*time.Millisecond:
		return fmt.Sprintf("%.1f ms", d.Seconds()*1e3)
	case d < time.Second:
		return fmt.Sprintf("%.0f ms", d.Seconds()*1e3)
	default:
		return fmt.Sprintf("%.1f s", d.Seconds())
	}
}

// cut shortens what does not fit on a line: an error may be of any length.
func cut(line string) string {
	runes := []rune(line)
	if len(runes) <= width {
		return line
	}
	return string(runes[:width-1]) + "…"
}
