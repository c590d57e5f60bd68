// Package ags is a stateless client of the HTTP API of an Authentication Gateway
// Service: it signs on, refreshes and signs out, and knows the wire and its
// quirks. Keeping a session alive with it is the business of package tokensource.
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
// # Guarantees
//
//   - G1. An answer is decoded into a new [Token], checked, and then returned: a
//     call gives a whole token or an error.
//   - G2. The instants of a token are by this machine's clock, counted from when
//     the request was sent, also when the gateway's clock differs.
//   - G3. No token and no parameter's value is in an error, or printed with a
//     [Token], a [Secret] or an [*AccountChoiceError], by whatever route. See
//     [Parameter] for what it cannot do.
//   - G4. A sign-on that the gateway may have acted on is not repeated.
//   - G5. A request is sent to the configured host, and no redirect is followed.
//   - G6. What is not the gateway's answer, such as a proxy's page with status
//     401, is not taken for its decision: it Is [ErrProtocol].
//   - G7. NotSent is not claimed of a request that may have been written.
//
// # Limits
//
// Tokens are not verified: a client has no key to do it with. Their claims are
// used for scheduling only. Bodies are read up to 1 MiB.
package ags
