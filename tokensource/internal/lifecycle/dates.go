package lifecycle

import (
	"time"

	"github.com/agsauth/agsauth/tokensource/internal/dualclock"
)

// dates are instants of the wall clock that a pair keeps, in half the memory of as many
// time.Time. They are in local time or in UTC, and have no monotonic reading.
type dates struct {
	seconds [dateCount]int64 // since 1970
	nanos   [dateCount]int32 // all bits inverted, so that it is negative, for local time
}

// date is the index of an instant in dates.
type date uint8

const (
	issued date = iota
	accessExpiry
	refreshExpiry
	fixedExpiry
	dateCount
)

func datesOf(g *Grant) (d dates) {
	d.set(issued, g.IssuedAt)
	d.set(accessExpiry, g.ExpiresAt)
	d.set(refreshExpiry, g.RefreshExpiresAt)
	d.set(fixedExpiry, g.FixedExpiresAt)
	return d
}

// set sets an instant. One that is not in local time is kept in UTC.
func (d *dates) set(which date, t time.Time) {
	d.seconds[which], d.nanos[which] = t.Unix(), int32(t.Nanosecond()%int(time.Second))
	if t.Location() == time.Local {
		d.nanos[which] = ^d.nanos[which]
	}
}

// isKnown reports whether an instant was set to another one than zero.
func (d *dates) isKnown(which date) bool { return !d.local(which).IsZero() }

// unixNano returns an instant, cut to the range of a UnixNano.
func (d *dates) unixNano(which date) dualclock.UnixNano {
	return dualclock.UnixNanoAt(d.seconds[which], d.nanosOf(which))
}

// local returns an instant in local time.
func (d *dates) local(which date) time.Time { return time.Unix(d.seconds[which], d.nanosOf(which)) }

func (d *dates) nanosOf(which date) int64 { return int64(max(d.nanos[which], ^d.nanos[which])) }

// get returns an instant. One that was set to zero is zero.
func (d *dates) get(which date) time.Time {
	if d.nanos[which] < 0 {
		return d.local(which)
	}
	return d.local(which).UTC()
}
