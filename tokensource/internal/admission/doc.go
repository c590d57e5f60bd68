// Package admission decides which of many operations may start, and when, so that all of
// them together stay within what the gateway can bear. It is deterministic: it has no
// clock, no lock, no goroutine and no I/O. The caller passes the time, as the reading of
// a clock that never goes back.
//
// A [Queue] holds the operations that wait. They start in this order:
//
//  1. those that a caller waits for, in the order of their arrival; while others wait, too,
//     they get every second start,
//  2. those of sessions whose access token lives, by its expiry,
//  3. those of sessions whose access token has expired, in the order of their arrival; while
//     living ones wait, too, they get one start in 16,
//  4. early refreshes, which nothing makes necessary yet, with capacity that is idle.
//
// Reads of the store have a queue of their own: the rate does not limit them, and an
// outage of the gateway does not hold them up.
//
// After several failures in a row the gateway counts as away: one probe at a time is made,
// a second or more after the one before. When one is answered the rate grows from a small
// part to the whole within seconds. If many calls fail, but not all, the rate is halved. If
// the gateway asks for a pause while it answers others, the rate stays below the one that
// was too high for it, and grows slowly.
package admission
