package modeltest_test

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"pgregory.net/rapid"

	"github.com/agsauth/agsauth/ags"
)

// absurdity is how a Refresher or a Login answers one call.
type absurdity struct {
	err                    error
	none                   bool           // it returns nothing at all
	issued                 time.Duration  // when the pair was issued, from now
	access, refresh, fixed *time.Duration // the expiries, from now; nil is omitted
	noRefreshToken         bool           // without a refresh token
	again                  bool           // with the tokens of the answer before
}

func (a absurdity) String() string {
	if a.err != nil || a.none {
		return fmt.Sprintf("error %v", a.err)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "issued %s", a.issued)
	for _, h := range []struct {
		name string
		span *time.Duration
	}{{"access", a.access}, {"refresh", a.refresh}, {"fixed", a.fixed}} {
		if h.span != nil {
			fmt.Fprintf(&b, ", %s %s", h.name, *h.span)
		}
	}
	fmt.Fprintf(&b, ", no refresh token %t, again %t", a.noRefreshToken, a.again)
	return b.String()
}

func drawAbsurdity(rt *rapid.T) absurdity {
	const year = 365 * 24 * time.Hour
	rarely := func(name string) bool { return rapid.IntRange(0, 5).Draw(rt, name) == 5 }
	span := func(name string) *time.Duration {
		d := rapid.SampledFrom([]time.Duration{
			-50 * year, -time.Hour, -1, 0, 1, time.Millisecond, 200 * time.Millisecond, 300 * time.Millisecond, time.Second, 1500 * time.Millisecond, 5 * time.Second,
			15 * time.Second, time.Minute, time.Hour, 90 * year, -2, // the last is omitted
		}).Draw(rt, name)
		if d == -2 {
			return nil
		}
		return &d
	}
	if rarely("fails") {
		return absurdity{err: rapid.SampledFrom([]error{
			errBusy, errSuspended, errUnauthorized, errDeviceDeleted, errLost, errRefused, errors.New("boom"),
			&ags.Error{Status: 408}, &ags.Error{Status: 503, NotFromGateway: true}, &ags.Error{Status: 200, Malformed: true}, &ags.Error{Malformed: true},
		}).Draw(rt, "error")}
	}
	if rarely("nothing") && rarely("at all") {
		return absurdity{none: true}
	}
	a := absurdity{access: span("access"), refresh: span("refresh"), fixed: span("fixed"), noRefreshToken: rarely("no refresh token"), again: rarely("again")}
	if rarely("issued") {
		a.issued = rapid.SampledFrom([]time.Duration{-50 * year, -time.Hour, -time.Second, time.Second, time.Hour, 50 * year}).Draw(rt, "issued")
	}
	return a
}

// token makes the n-th pair of an answer.
func (a absurdity) token(now time.Time, n int) *ags.Token {
	in := func(d *time.Duration) time.Time {
		if d == nil {
			return time.Time{}
		}
		return now.Add(*d)
	}
	t := &ags.Token{
		AccessToken: ags.NewSecret(fmt.Sprintf("a%d", n)), IssuedAt: now.Add(a.issued),
		ExpiresAt: in(a.access), RefreshExpiresAt: in(a.refresh), FixedExpiresAt: in(a.fixed),
	}
	if !a.noRefreshToken {
		t.RefreshToken = ags.NewSecret(fmt.Sprintf("r%d", n))
	}
	return t
}

// left is the time until an expiry of the answer, by the clock that reaches it first.
func (a absurdity) left(h *time.Duration) time.Duration {
	if h == nil {
		return 1 << 62
	}
	return min(*h, *h-a.issued)
}

// good reports whether no expiry of the answer passes within d.
func (a absurdity) good(d time.Duration) bool {
	return a.err == nil && !a.none && min(a.left(a.access), a.left(a.refresh), a.left(a.fixed)) >= d
}

// pacedScript answers the calls of one operation, and checks that none follows an
// answer too soon.
type pacedScript struct {
	what   string
	script []absurdity
	calls  int           // without immediate repetitions
	next   int           // index in the script
	at     time.Duration // of the last answer
	last   absurdity
	repeat bool // the next call may be an immediate repetition
}

func (p *pacedScript) answer(now time.Duration, again bool) (a absurdity, wrong string) {
	gone := now - p.at
	if gone > 0 || !p.repeat || !again {
		p.calls++
	}
	if least := p.least(); p.calls > 1 && gone < least && (!p.repeat || !again) {
		wrong = fmt.Sprintf("%s: %s %d comes %s after %q, and not %s", now, p.what, p.calls, gone, p.last, least)
	}
	a = p.script[p.next%len(p.script)]
	p.next++
	p.at, p.last = now, a
	return a, wrong
}

// least is the least time between the last answer and the next call: the wait after a
// first failure, or more.
func (p *pacedScript) least() time.Duration {
	const first = 187500 * time.Microsecond
	switch {
	case p.what == "refresh" && errors.Is(p.last.err, errSuspended):
		return time.Minute
	case p.what == "refresh":
		return first
	case errors.Is(p.last.err, ags.ErrUnavailable), errors.Is(p.last.err, ags.ErrProtocol):
		return first
	case p.last.good(0):
		return 10 * time.Second
	default:
		return time.Minute
	}
}
