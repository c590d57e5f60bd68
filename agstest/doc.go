// Package agstest is a gateway and an API protected by its tokens, in one server
// that runs inside a test: what a client of the platform is tried against when
// there is no platform, and no network, at hand.
//
//	srv := agstest.NewServer(agstest.Config{})
//	defer srv.Close()
//
//	srv.Script(agstest.Refresh,
//		agstest.Fault{Status: 503, RetryAfter: 2 * time.Second},   // the first refresh is told to come back,
//		agstest.Fault{Kind: agstest.Lost, AfterWork: true})        // the second granted, and its answer lost
//
//	client := yourclient.New(srv.URL, srv.Client())                // user "dave", password "open sesame"
//	_, err := client.Get(srv.URL + "/api/profile")                 // anything below /api/ wants a good token
//
//	srv.Count(agstest.Refresh)                                     // how often the gateway was asked
//	srv.MaxInFlight(agstest.Refresh)                               // 1: never twice at a time
//
// # The gateway
//
// It answers every call of the gateway (see [Op]) and is strict about what it is
// sent: a header that is missing, a body of another shape, a token of the wrong
// sort are refused as they would be there, with a message that says what is
// wrong. Sessions have the platform's three horizons, all by [Config].Clock: a
// refresh moves those of the two tokens, and nothing moves that of the session.
// A refresh token is good once; one that is presented again ends its session.
//
// While it runs, a test can change the world: suspend an account, delete a
// device, revoke sessions, block a location, rotate keys, put the clock wrong.
//
// # The API
//
// Anything below /api/ wants "Authorization: Bearer <access token>", and answers
// with an [Echo]: who it took the caller for, by which generation of the token,
// and the body that it was sent. A token that it does not like is rejected the
// platform's way, with a 403 and the resultCode 99999:403; see also
// [Config].LegacyRejections.
//
// # Faults
//
// [Server.Script] queues faults, one for each request of a call to come;
// [Server.Always] has one befall all of them, and [Server.AlwaysFunc] chooses for
// each. A [Fault] is any status, with a code, a body, headers and a Retry-After;
// or one of these kinds: an answer lost, before or after the work was done;
// garbage; a firewall's page; no body; a redirect; a body cut off, with its
// length announced or without; one that drips; one that is far too long. All can
// be delayed, be for some requests only, and come after the work. [Server.Hold]
// stops requests until a test has looked around.
//
// The HTTP client of net/http repeats a GET by itself when a connection that it
// had used before is closed without an answer: a [Lost] one then counts twice.
//
// # Time
//
// With [Config].InMemory a server can be used inside a bubble of testing/synctest,
// where the system's own clock is a fake one. It must then be made and closed
// inside the bubble. With a [github.com/agsauth/agsauth/clock.Fake] as its Clock it
// can be used anywhere; a request that is delayed sets one timer on that clock.
//
// # What it does not claim
//
// The server is written from what is publicly documented of the gateway, and
// where that says nothing, it had to choose; the choices are options. A real
// deployment may differ in parameters and headers, in codes, in what it checks.
// A client that passes here has not been tried against one. It knows no TLS, no
// entitlements and no limit on concurrent sessions, and its tokens, though
// properly signed, protect nothing.
package agstest
