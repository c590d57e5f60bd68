package faultproxy

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// Scenario is a named fault.
type Scenario struct {
	Name  string
	Fault Fault
	// Harmless is set when the client gets the response all the same.
	Harmless bool
	// Stuck is set when only the client can end the exchange.
	Stuck bool
	// Unsent is set when no server can have received the request.
	Unsent bool
}

// Scenarios returns all scenarios for a proxy. It fails the test if a client follows
// the redirect.
func Scenarios(tb testing.TB, p *Proxy) []Scenario {
	tb.Helper()
	other := New(tb, p.target)
	tb.Cleanup(func() {
		if n := other.Connections(); n > 0 {
			tb.Errorf("the redirect was followed %d times", n)
		}
	})
	return append(p.handshakes(tb),
		Scenario{Name: "slow on the way", Fault: Late(20 * time.Millisecond), Harmless: true},
		Scenario{Name: "reset at once", Fault: ResetAtOnce, Unsent: true},
		Scenario{Name: "reset before the server sees the request", Fault: ResetBefore},
		Scenario{Name: "reset after the server has answered", Fault: ResetAfter},
		Scenario{Name: "half an answer, then the end", Fault: HalfThenEnd},
		Scenario{Name: "half an answer, then a reset", Fault: HalfThenReset},
		Scenario{Name: "a byte at a time", Fault: Drip(10 * time.Millisecond), Stuck: true},
		Scenario{Name: "a black hole", Fault: BlackHole, Stuck: true},
		Scenario{Name: "a compressed bomb", Fault: Bomb(200, "gzip")},
		Scenario{Name: "a bomb in an encoding that nobody asked for", Fault: Bomb(200, "br")},
		Scenario{Name: "thousands of headers", Fault: Edit(ManyHeaders), Harmless: true},
		Scenario{Name: "one huge header", Fault: Endless("HTTP/1.1 200 OK\r\nX-Field: ", []byte(strings.Repeat("x", 64<<10)))},
		Scenario{Name: "headers without end", Fault: Endless("HTTP/1.1 200 OK\r\n", []byte(strings.Repeat("X-Field: x\r\n", 4<<10)))},
		Scenario{Name: "interim answers without end", Fault: Endless("", []byte(strings.Repeat("HTTP/1.1 103 Early Hints\r\nLink: "+strings.Repeat("x", 4<<10)+"\r\n\r\n", 16)))},
		Scenario{Name: "a body without end", Fault: Endless("HTTP/1.1 200 OK\r\n\r\n{\"access_token\":\"", []byte(strings.Repeat("x", 64<<10)))},
		Scenario{Name: "a body without end, in chunks", Fault: Endless("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
			fmt.Appendf(nil, "10000\r\n%s\r\n", strings.Repeat(" ", 64<<10)))},
		Scenario{Name: "HTTP/1.0", Fault: Edit(HTTP10), Harmless: true},
		Scenario{Name: "a length too long, then the end", Fault: Edit(TooLong)},
		Scenario{Name: "a length too long, then silence", Fault: Silent, Stuck: true},
		Scenario{Name: "a length too short", Fault: Edit(TooShort)},
		Scenario{Name: "two answers in one", Fault: Edit(Twice), Harmless: true},
		Scenario{Name: "garbage before the status line", Fault: Edit(EchoCredentials)},
		Scenario{Name: "garbage alone", Fault: Answer("\x00\xff\x16\x03 not HTTP at all")},
		Scenario{Name: "no answer at all", Fault: Answer("")},
		Scenario{Name: "a redirect to a stranger", Fault: Redirect(other.URL)},
	)
}

// handshakes returns the scenarios of a failed TLS handshake.
func (p *Proxy) handshakes(tb testing.TB) []Scenario {
	tb.Helper()
	return []Scenario{
		{Name: "not TLS", Fault: NotTLS, Unsent: true},
		{Name: "a handshake cut short", Fault: CutHandshake, Unsent: true},
		{Name: "a handshake without an answer", Fault: SilentHandshake, Unsent: true, Stuck: true},
		{Name: "a certificate of another name", Fault: Certificate(p.Authority.Server(tb, Leaf{Name: "stranger.example"})), Unsent: true},
		{Name: "a certificate that has expired", Fault: Certificate(p.Authority.Server(tb, Leaf{Expired: true})), Unsent: true},
		{Name: "a certificate of an authority unknown", Fault: Certificate(NewAuthority(tb).Server(tb, Leaf{})), Unsent: true},
	}
}
