// Package tokensource keeps one session with the gateway alive. It caches the
// access token, refreshes it before callers would notice its age, tells when a
// human has to sign on again, or signs on itself, and shares a session with other
// processes through a store.
//
//	src, err := tokensource.New(tokensource.Config{
//		Refresher: client,               // an *ags.Client
//		Token:     token,                // from its SignOn
//		Store:     &store.File{Path: p}, // to survive a restart
//	})
//	…
//	token, err := src.TokenContext(ctx) // or hand src to a transport
//
// A [Source] is an [golang.org/x/oauth2.TokenSource].
//
// # The life of a session
//
// A session has three horizons. The access token expires within the hour; a
// refresh gives another one, and another refresh token with it. The refresh token
// expires within days, if it is not used. The fixed horizon, weeks away, was set
// at sign-on, and no refresh moves it.
//
//	                 refresh granted
//	       ┌─────────────────────┬─────────────────────┐
//	       ▼                     │                     │
//	┌────────────┐ margin ┌────────────┐ expiry ┌────────────┐
//	│   fresh    │ ─────▶ │   ageing   │ ─────▶ │  expired   │
//	│ token now  │        │ token now, │        │  callers   │
//	│            │        │ a refresh  │        │  wait for  │
//	│            │        │  behind it │        │ the refresh│
//	└────────────┘        └────────────┘        └────────────┘
//	       ▲                     │                     │
//	       │                     └──────────┬──────────┘
//	       │                                │ no session · refresh token expired ·
//	       │ login, SetToken,               ▼ fixed horizon · rejected · signed out
//	       │ revived in the store ┌───────────────────────────┐
//	       └───────────────────── │ ended: LoginRequiredError │
//	                              └───────────────────────────┘
//
// What is done about a token at an instant is decided by one pure function, in
// phase.go; when a pair falls due follows from its horizons alone, in session.go.
// Everything else carries that out.
//
// # What it promises
//
//  1. No token is handed out that our clock knows to be expired, or that is past
//     the fixed horizon.
//  2. While there is a live token no caller waits, not even during a refresh.
//  3. One refresh or login is in the air at a time, for all goroutines, and, with
//     a store that locks, for all processes.
//  4. A caller who leaves is answered at once, and takes nobody's refresh along.
//  5. Both tokens are replaced together, and saved before they are used.
//  6. Before a rejection ends the session the store is read again.
//  7. A token is served while both clocks, the wall's and the monotonic one, say
//     that it lives; a session is given up when both say that it is over. When
//     they differ the gateway is asked.
//  8. An API that rejects every token does not make for a refresh each time.
//  9. No token is in any error, event, status or log, and no refresh token in what
//     is handed out.
//  12. Nothing runs before it is asked for, nor after Close.
//  13. One failure answers all who wait for it, and is remembered until the next
//     attempt is due.
//  14. A refresh has its own timeout, and of the caller's context only the values.
//  15. When the answer to a refresh was lost, it is asked for again; if that is
//     rejected the error says that the outcome of the first is unknown.
//
// Promises 10, 11 and 16 are about requests, and kept by package transport. The
// tests of each have its number in their names.
//
// # What it does not do
//
// It does not repeat requests, nor send them: that is for package transport. It
// runs nothing of its own accord: an idle Source lets its session age, unless
// [Source.Run] is running. It cannot make a lost answer come back: where refresh
// tokens are good for one use only, a process that dies between the gateway's
// answer and the save loses the session.
//
// # Time in tests
//
// All time comes from [Config.Clock], and all waiting is done on its timers: one
// while a refresh or a call of the store is under way, one in Run, one in a wait
// for a lock; none at rest. With a [clock.Fake] a test plays a month in a second.
package tokensource
