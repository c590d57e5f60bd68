// Package simulation plays what very many sessions do to a gateway of limited capacity. It
// has no clock and no goroutine: a million sessions and three hours take seconds. The
// decisions of the gate are those of package admission; the schedule and the back-off of a
// session are those of package lifecycle, in a few lines.
//
// It exists to compare policies, and to choose the constants of package admission. Its
// tests assert what package tokensource promises for outages and cohorts.
package simulation
