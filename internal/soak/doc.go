// Command soak has hundreds of callers use a session for as long as it is told, on
// real sockets and a real file, with everything going wrong that can, and says
// whether a call has failed that need not have:
//
//	go run ./internal/soak --for 50m
//
// Time is scaled down, by nine hundred: an access token lives for 4 seconds, a
// refresh token for 192, a session for 48 minutes. There are two groups, and on each
// four sources share one file, as four processes would; one of them can sign on. On
// the ending one sessions are revoked and signed out. On the lasting one all else goes
// wrong, and a session is to outlive that until it reaches its fixed horizon, ahead of
// which all are to be warned; in a run that is shorter than 48 minutes a session is, too.
// What goes wrong, and in what order, follows from --seed, which is printed; when it does
// depends on the machine.
//
// When the machine stands still, or its disk, is felt and told as well: a token of 4
// seconds is not refreshed in time by who cannot write for that long.
//
// What may fail is told by a model that knows the script, and what the gateway knows
// of its tokens, but nothing of how the library works. Whatever fails beyond that, a
// token that is sent dead, a session that does not recover, one that is lost on the
// lasting group, an end without a warning, a refresh token spent twice, and memory or
// goroutines that grow, is a violation, and the exit status is 1.
package main
