// Package ags is a client of the HTTP API of an Authentication Gateway Service
// (AGS), the sign-on service of NAGRA's OpenTV Platform. A [Client] signs on,
// refreshes tokens and signs out. It keeps no session: package tokensource does.
//
//	gateway, err := ags.New(ags.Config{
//		BaseURL:       "https://gateway.example.com",
//		AuthServiceID: "Customer Auth Service",
//		TenantID:      "nagra",
//	})
//	token, err := gateway.SignOn(ctx, ags.SignOnRequest{
//		Parameters:        []ags.Parameter{{Name: "username", Value: name}, {Name: "password", Value: password}},
//		DeviceInformation: json.RawMessage(`{"deviceType":"STB"}`),
//	})
//	token, err = gateway.Refresh(ctx, token)
//
// # Errors
//
// A failed call returns an [*Error]. Use [errors.Is] with [ErrUnauthorized],
// [ErrForbidden], [ErrUnavailable] and [ErrProtocol] to decide what to do next.
//
// # Dialects
//
// Deployments differ. Public clients refresh through IAS, a sister service of the
// gateway, as often as through the gateway itself: see [Dialect]. The options of
// [Config] cover smaller differences.
//
// # Connections
//
// A Client keeps the connections that speak HTTP/2, and shares them among its calls.
// A connection of HTTP/1.1 carries one call: see [Config.KeepHTTP1Connections]. Idle
// connections are closed after a while, or by [Client.CloseIdleConnections].
//
// # Guarantees
//
//   - G1. A response is decoded into a new [Token] and checked before it is
//     returned: a call returns a complete token or an error.
//   - G2. The times of a token are by this machine's clock, counted from when
//     the request was sent, even if the gateway's clock differs.
//   - G3. No token and no parameter value appears in an error, or in any printed
//     form of a [Token], a [Secret] or an [*AccountChoiceError], also if it was sent
//     in a query. See [Parameter] for its limits.
//   - G4. A sign-on that the gateway may have acted on is not retried.
//   - G5. Requests go to the configured host only. Redirects are not followed.
//   - G6. A response that is not the gateway's own, such as a proxy's page with
//     status 401, is not treated as its decision: the error Is [ErrProtocol].
//   - G7. NotSent is never set for a request that may have been written.
//
// # Limits
//
// Tokens are not verified, because a client has no key. Their claims are used for
// scheduling only. At most 1 MiB of a response body is read.
//
// The protocol is that of the public OpenTV Platform documentation. A comment marks
// each rule that is taken from public clients or is this package's own.
package ags
