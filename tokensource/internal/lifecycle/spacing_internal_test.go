package lifecycle

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/agsauth/agsauth/tokensource/internal/dualclock"
)

func TestBackoff(t *testing.T) {
	for _, tt := range []struct {
		name string
		n    int
		left time.Duration
		draw float64
		want time.Duration
	}{
		{"the first", 1, time.Hour, 0.5, 250 * time.Millisecond},
		{"a quarter less", 1, time.Hour, 0, 187500 * time.Microsecond},
		{"almost a quarter more", 1, time.Hour, 0.9, 300 * time.Millisecond},
		{"doubled", 5, time.Hour, 0.5, 4 * time.Second},
		{"at most thirty seconds", 20, time.Hour, 0.5, 30 * time.Second},
		{"at most a quarter of what is left", 20, 40 * time.Second, 0.5, 10 * time.Second},
		{"at least the first", 20, 400 * time.Millisecond, 0.5, 250 * time.Millisecond},
		{"ten seconds when nothing is left", 20, 0, 0.5, 10 * time.Second},
		{"without overflow", 1000, -time.Hour, 0.5, 10 * time.Second},
	} {
		assert.Equal(t, tt.want, backoff(tt.n, tt.left, tt.draw), tt.name)
	}
}

func TestProperty_TheWaitAfterAFailure(t *testing.T) {
	type kind struct {
		class   Class
		isLogin bool
	}
	holds(t, 3000, func(rt *rapid.T) {
		var f *Failure
		var last kind
		count := 0
		for range rapid.IntRange(1, 40).Draw(rt, "failures") {
			now := anInstant(rt, "now", time.Hour)
			a, left := anyOf(rt, "attempt", attemptRefresh, attemptLoad, attemptLogin), aSpan(rt, "left", time.Hour)-10*time.Minute
			c := Cause{errors.New("boom"), anyOf(rt, "class", Transient, Refused), anyOf(rt, "asked", 0, time.Second, time.Minute, time.Hour)}
			f = f.after(c, a, left, now, aNumber(rt))
			count++
			if k := (kind{c.Class, a == attemptLogin}); k != last {
				count, last = 1, k
			}
			least, most := waitBounds(last.class, last.isLogin, left, count)
			floor, wait := min(c.RetryAfter, 5*time.Minute), f.next.Mono-now.Mono
			require.GreaterOrEqual(rt, wait, max(least, floor))
			require.LessOrEqual(rt, wait, max(most, floor))
			require.True(rt, f.NextAt.Equal(wall(f.next)) && f.NextAt.Sub(now.Wall) == wait, "callers are told another time")
		}
	})
}

// waitBounds returns the span of the wait after the n-th failure of a kind in a row.
func waitBounds(c Class, isLogin bool, left time.Duration, n int) (least, most time.Duration) {
	first, limit := time.Minute, 5*time.Minute
	switch {
	case c == Transient && left > 0:
		first, limit = 250*time.Millisecond, min(max(left/4, 250*time.Millisecond), 30*time.Second)
	case c == Transient:
		first, limit = 250*time.Millisecond, 10*time.Second
	case isLogin:
		limit = 15 * time.Minute
	}
	for range n - 1 {
		first = min(limit, 2*first)
	}
	if wait := min(first, limit); c == Transient {
		return wait * 3 / 4, wait * 5 / 4
	}
	return first, first
}

func TestProperty_RejectionsAreSpaced(t *testing.T) {
	holds(t, 2000, func(rt *rapid.T) {
		life, least := anyOf(rt, "life", 0, 2*time.Second, 6*time.Second, 30*time.Second, time.Hour), 10*time.Second
		if life > 0 {
			least = min(least, life/2)
		}
		var r *rejections
		var last dualclock.Instant
		issued, now, required := at(0), at(0), least // required is doubled while each token is young
		for range rapid.IntRange(1, 60).Draw(rt, "rejections") {
			now = now.Add(aSpan(rt, "after", 8*time.Minute))
			if r != nil && aCoin(rt, "as soon as possible") {
				now = last.Add(required - anyOf(rt, "early by", 0, time.Duration(1)))
			}
			next, ok := r.admit(pairOf(lives(issued.Wall, life, 0, 0), FromGateway, issued, nil), now)
			require.Equal(rt, r == nil || now.Mono-last.Mono >= required, ok)
			if !ok {
				continue
			}
			if young := life == 0 || now.Wall.Before(issued.Wall.Add(life/2)); r != nil && young {
				required = min(2*required, 5*time.Minute)
			} else {
				required = least
			}
			last, issued, r = now, now, &next
		}
	})
}
