// Command soak has hundreds of callers use a session over real sockets and a real file,
// with random faults, and reports whether a call has failed that no fault explains:
//
//	go run ./internal/soak --for 50m
//
// Time is scaled down by nine hundred: an access token lives for 4 seconds, a refresh token
// for 192, a session for 48 minutes, or less in a shorter run. There are two groups. In
// each, four sources share one file, as four processes would; one of them can sign on. In
// the group "ending", sessions are revoked and signed out. In the group "lasting" there
// are all other faults; a session must survive them until its fixed horizon, and every
// source must announce that end ahead of time. The faults and their order follow from
// --seed, which is printed; their times depend on the machine.
//
// Stalls of the machine and its disk are measured, too: a token of 4 seconds is not
// refreshed in time if nothing can be written for that long.
//
// A model says which failures are explained. It knows the faults, and what the gateway
// knows of its tokens, but not how the library works. Violations are all other failures,
// an expired token that is sent, a session that does not recover or is lost in the group
// "lasting", an end that was not announced, a refresh token used twice, and memory or
// goroutines that grow. The exit status is then 1.
package main
