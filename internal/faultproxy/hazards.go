package faultproxy

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// Hazard is a fault that has a name.
type Hazard struct {
	Name  string
	Fault Fault
	// Harmless is set when the server's answer arrives all the same.
	Harmless bool
	// Stuck is set when nothing ends the exchange but the client.
	Stuck bool
	// Unsent is set when the request cannot have reached anybody.
	Unsent bool
}

// Hazards returns all there are, for a road. The test fails if a redirect is
// followed.
func Hazards(tb testing.TB, r *Road) []Hazard {
	tb.Helper()
	stranger := New(tb, r.target)
	tb.Cleanup(func() {
		if n := stranger.Trips(); n > 0 {
			tb.Errorf("a stranger was called %d times", n)
		}
	})
	return append(r.handshakes(tb),
		Hazard{Name: "slow on the way", Fault: Late(20 * time.Millisecond), Harmless: true},
		Hazard{Name: "reset at once", Fault: ResetAtOnce, Unsent: true},
		Hazard{Name: "reset before the server sees the request", Fault: ResetBefore},
		Hazard{Name: "reset after the server has answered", Fault: ResetAfter},
		Hazard{Name: "half an answer, then the end", Fault: HalfThenEnd},
		Hazard{Name: "half an answer, then a reset", Fault: HalfThenReset},
		Hazard{Name: "a byte at a time", Fault: Drip(10 * time.Millisecond), Stuck: true},
		Hazard{Name: "a black hole", Fault: BlackHole, Stuck: true},
		Hazard{Name: "a compressed bomb", Fault: Bomb(200, "gzip")},
		Hazard{Name: "a bomb in an encoding that nobody asked for", Fault: Bomb(200, "br")},
		Hazard{Name: "thousands of headers", Fault: Edit(ManyHeaders), Harmless: true},
		Hazard{Name: "one huge header", Fault: Endless("HTTP/1.1 200 OK\r\nX-Field: ", []byte(strings.Repeat("x", 64<<10)))},
		Hazard{Name: "headers without end", Fault: Endless("HTTP/1.1 200 OK\r\n", []byte(strings.Repeat("X-Field: x\r\n", 4<<10)))},
		Hazard{Name: "interim answers without end", Fault: Endless("", []byte(strings.Repeat("HTTP/1.1 103 Early Hints\r\nLink: "+strings.Repeat("x", 4<<10)+"\r\n\r\n", 16)))},
		Hazard{Name: "a body without end", Fault: Endless("HTTP/1.1 200 OK\r\n\r\n{\"access_token\":\"", []byte(strings.Repeat("x", 64<<10)))},
		Hazard{Name: "a body without end, in chunks", Fault: Endless("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
			fmt.Appendf(nil, "10000\r\n%s\r\n", strings.Repeat(" ", 64<<10)))},
		Hazard{Name: "HTTP/1.0", Fault: Edit(HTTP10), Harmless: true},
		Hazard{Name: "a length too long, then the end", Fault: Edit(TooLong)},
		Hazard{Name: "a length too long, then silence", Fault: Silent, Stuck: true},
		Hazard{Name: "a length too short", Fault: Edit(TooShort)},
		Hazard{Name: "two answers in one", Fault: Edit(Twice), Harmless: true},
		Hazard{Name: "garbage before the status line", Fault: Edit(Babble)},
		Hazard{Name: "garbage alone", Fault: Answer("\x00\xff\x16\x03 not HTTP at all")},
		Hazard{Name: "no answer at all", Fault: Answer("")},
		Hazard{Name: "a redirect to a stranger", Fault: Redirect(stranger.URL)},
	)
}

// handshakes are those that come to no request.
func (r *Road) handshakes(tb testing.TB) []Hazard {
	tb.Helper()
	return []Hazard{
		{Name: "not TLS", Fault: NotTLS, Unsent: true},
		{Name: "a handshake cut short", Fault: CutHandshake, Unsent: true},
		{Name: "a handshake without an answer", Fault: SilentHandshake, Unsent: true, Stuck: true},
		{Name: "a certificate of another name", Fault: Certificate(r.Authority.Server(tb, Leaf{Name: "stranger.example"})), Unsent: true},
		{Name: "a certificate that has expired", Fault: Certificate(r.Authority.Server(tb, Leaf{Expired: true})), Unsent: true},
		{Name: "a certificate of an authority unknown", Fault: Certificate(NewAuthority(tb).Server(tb, Leaf{})), Unsent: true},
	}
}
