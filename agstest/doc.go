// Package agstest provides a fake gateway, and an API that the gateway's tokens
// protect, for tests of clients. Both run in one [Server] inside the test's process:
// no platform and no network are needed.
//
//	srv := agstest.NewServer(agstest.Config{})
//	defer srv.Close()
//
//	srv.Script(agstest.Refresh,
//		agstest.Fault{Status: 503, RetryAfter: 2 * time.Second}, // the first refresh is refused
//		agstest.Fault{Kind: agstest.Lost, AfterWork: true})      // the second succeeds, but its answer is lost
//
//	client := yourclient.New(srv.URL, srv.Client()) // user "dave", password "open sesame"
//	_, err := client.Get(srv.URL + "/api/profile")  // every path below /api/ requires a token
//
//	srv.Count(agstest.Refresh)       // how many refreshes the gateway received
//	srv.MaxInFlight(agstest.Refresh) // 1: never two at the same time
//
// # The gateway
//
// The gateway implements every operation; see [Op]. It is strict: it rejects requests
// with a missing header, a malformed body or the wrong kind of token, with a message
// that says what is wrong.
//
// A session has three lifetimes, measured by [Config].Clock: those of its access token
// and its refresh token, which every refresh renews, and that of the session itself,
// which is fixed. A refresh token can be used once. A second use ends its session.
//
// While the server runs, a test can suspend accounts, delete devices, revoke sessions,
// block the client's location, rotate the signing keys and skew the server's clock.
//
// Config.Dialect has it speak, as strictly, one of the forms in which public clients
// obtain tokens from the platform's sister service; see [Dialect].
//
// # Where it listens
//
// By default the server listens on a free port of a loopback address. Config.Addr is
// another address, and [Listen] returns an error instead of a panic if it is in use.
// With Config.Certificate the server speaks TLS; [NewCertificate] makes one, with an
// authority that clients must trust. Config.AdvertiseURL is the URL by which clients
// reach the server if that is not its address. [Server.Handler] serves the gateway
// from a listener or a mux of the test's own.
//
// # The API
//
// Every path below /api/ requires "Authorization: Bearer <access token>". The API
// answers with an [Echo] of the request. It rejects an invalid token as the platform
// does, with status 403 and resultCode 99999:403; see also [Config].LegacyRejections.
//
// # Faults
//
// [Server.Script] queues faults for the next requests of an operation. [Server.Always]
// sets a fault for all of them, and [Server.AlwaysFunc] chooses one for each.
//
// A [Fault] can answer with any status, error code, body and headers, or have one of
// these kinds: lost answers, garbage, a firewall's page, an empty body, a redirect, and
// bodies that are cut off, slow or too long. It can delay the answer, apply to some
// requests only, and take effect after the server has done what the request asks for.
// [Server.Hold] stops requests until the test releases them.
//
// The HTTP client of net/http retries a GET by itself if a reused connection closes
// without an answer. The server then counts a [Lost] GET twice.
//
// # From another process
//
// [Server.Admin] is a handler that controls the server over HTTP, for tests in other
// languages. [Server.Reset] makes the server as it was at the start.
//
// # Time
//
// With a [github.com/agsauth/agsauth/clock.Fake] as [Config].Clock, time passes only
// when the test advances it. Do not advance the clock while a refresh is in flight: the
// client's timeouts are timers on the same clock, so the timeout of that refresh may
// fire. A delayed request sets one timer on the clock.
//
// With [Config].InMemory, a server works inside a testing/synctest bubble. Create it
// and close it inside the bubble.
//
// # Limitations
//
// The server is written from public documentation. Where that is silent, the server
// makes a choice, and most choices are options. A real deployment may use other
// parameters, headers and codes, and check other things, so a client that passes here
// has not been tested against a real gateway. The server does not support HTTP/2,
// entitlements or a limit on concurrent sessions. Its tokens are properly signed but
// protect nothing real.
package agstest
