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
	fmt.Fprintln(n.out, cut(line(m)))
}

// line returns all that is told of a moment.
func line(m demo.Moment) string {
	who, what := sentence(m)
	return fmt.Sprintf("%4.1fs  %-10s %s", m.At.Seconds(), who, what)
}

// sentence returns a moment as the subject of a sentence and all the rest of it.
func sentence(m demo.Moment) (who, what string) {
	session, refresh := fmt.Sprintf("session %d", m.N), fmt.Sprintf("refresh %d", m.N)
	took, in := span(m.Took), span(m.In)
	switch m.Kind {
	case demo.SessionBegun:
		return session, fmt.Sprintf("begins with a sign-on, as device %s, and lasts %s", m.Device, in)
	case demo.SessionEnding:
		return session, fmt.Sprintf("announces its end in %s, which no refresh moves", in)
	case demo.LoggedIn:
		return session, fmt.Sprintf("logs in %s; %s", ahead(m.In), meanwhile(m))
	case demo.SessionOver:
		return session, fmt.Sprintf("is over; %s since the login, %d failed", requests(m.Served), m.Failed)
	case demo.SessionLost:
		return session, "has ENDED, and there is no other yet"
	case demo.LoginFailed:
		return "login", "FAILED: " + reason(m)
	case demo.RefreshPending:
		return refresh, pending(m)
	case demo.RefreshFailed:
		return refresh, fmt.Sprintf("is refused (%s); again in %s, the token is %s", reason(m), in, good(m.Left))
	case demo.AnswerLost:
		return refresh, "lost an answer; again at once, the token is " + good(m.Left)
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
	case demo.GatewayOut:
		return "you", fmt.Sprintf("put the gateway out of order for %s: it refuses all (503)", in)
	case demo.TokenRejectedByHand:
		return "you", "have the API reject the current token"
	case demo.RejectionRefused:
		return "you", "can reject again " + again(m.In)
	case demo.MachineSlept:
		return "you", fmt.Sprintf("had the machine sleep for %s; %s", took, survived(m.Left))
	case demo.RequestFailedByHand:
		return "workers", "have requests FAILED by your keys: " + want(m)
	case demo.WorkBegun:
		return "workers", fmt.Sprintf("start: %d of them call the API all the time", m.N)
	case demo.RequestFailed:
		return "workers", "have a FAILED request: " + reason(m)
	}
	return "", ""
}

// pending says who waits for a refresh that is on its way.
func pending(m demo.Moment) string {
	if m.Left <= 0 {
		return "is on its way; all wait for it: the token in hand is no good"
	}
	return "is on its way; nobody waits: the token is good for " + span(m.Left)
}

// ahead says how long before the end of a session there is the next one.
func ahead(in time.Duration) string {
	if in <= 0 {
		return "after the end"
	}
	return span(in) + " ahead"
}

// again says when a token may be rejected again.
func again(in time.Duration) string {
	if in <= 0 {
		return "after the next refresh"
	}
	return fmt.Sprintf("in %s: sooner, the library takes no notice", span(in))
}

// survived says what has become of the token in hand.
func survived(left time.Duration) string {
	if left <= 0 {
		return "the token in hand is dead"
	}
	return "the token is good for " + span(left)
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
	if m.Failed > 0 {
		return fmt.Sprintf("%s meanwhile, %d failed", requests(m.Served), m.Failed)
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

// want says in what way a good token was wanting.
func want(m demo.Moment) string {
	if m.Status != 0 {
		return fmt.Sprintf("the token is rejected (%d)", m.Status)
	}
	return "no token is to be had"
}

// good says for how long a token is good, on a line with no room to spare: in
// seconds if there are tenths.
func good(left time.Duration) string {
	switch {
	case left <= 0:
		return "dead"
	case left >= 100*time.Millisecond:
		return fmt.Sprintf("good for %.1f s", left.Seconds())
	}
	return "good for " + span(left)
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
func cut(text string) string {
	runes := []rune(text)
	if len(runes) <= width {
		return text
	}
	return string(runes[:width-1]) + "…"
}
