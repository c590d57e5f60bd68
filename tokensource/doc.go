// Package tokensource keeps one session with the gateway alive. It caches the access
// token, refreshes it before it expires, signs on again or says when a human has to, and
// shares the session with other processes through a store.
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
// A session has three horizons. The access token expires within the hour; a refresh
// replaces it, and the refresh token, too. The refresh token expires within days if it is
// not used. The fixed horizon is weeks away: it is set at sign-on, and no refresh moves
// it.
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
// Package internal/lifecycle decides all of this, in pure functions: what to do at an
// instant (decide.go), what becomes of the session after that (apply.go), and when a pair
// of tokens is due (schedule.go). A Source carries it out.
//
// # What it promises
//
//  1. It hands out no token that our clock knows to be expired, or that is past the fixed
//     horizon.
//  2. While there is a live token no caller waits, not even during a refresh.
//  3. One refresh or login is in flight at a time, for all goroutines and, with a store
//     that locks, for all processes.
//  4. A caller whose context ends is answered at once, and the refresh goes on.
//  5. Both tokens are replaced together, and saved before they are used.
//  6. Before a rejection ends the session the store is read again.
//  7. A token is served while both the wall clock and the monotonic clock say that it
//     lives. A session is given up when both say that it is over. If they differ the
//     gateway is asked.
//  8. An API that rejects every token does not cause a refresh each time.
//  9. No token is in any error, event, status or log, and no refresh token in what is
//     handed out.
//  12. Nothing runs before it is asked for, nor after Close.
//  13. One failure answers all who wait for it, and is remembered until the next attempt
//     is due.
//  14. A refresh has a timeout of its own. Of the caller's context it has only the values.
//  15. If the answer to a refresh is lost the refresh is repeated at once. If that is
//     rejected the error says that the outcome of the first is unknown.
//
// Package transport keeps promises 10, 11 and 16, which are about requests. The tests of
// each promise have its number in their names.
//
// # What it does not do
//
// It neither sends requests nor repeats them; package transport does. It does nothing on
// its own: the session of an idle Source ages, unless [Source.Run] is running. It cannot
// recover a lost answer: if refresh tokens are good for one use only, a process that dies
// between the gateway's answer and the save loses the session.
//
// # Time in tests
//
// All time comes from [Config.Clock]. All waits use its timers: one while a refresh or a
// call of the store is under way, one in Run, one in a wait for a lock; none at rest. With
// a [clock.Fake] a test can play a month in a second.
package tokensource
