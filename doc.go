// Package agsauth keeps one session with the Authentication Gateway Service (AGS) of
// NAGRA's OpenTV Platform alive, and adds a valid access token to every request.
//
// This package contains no code. The library consists of these packages:
//
//   - [github.com/agsauth/agsauth/ags] calls the gateway, with one method per call.
//   - [github.com/agsauth/agsauth/tokensource] keeps the session alive: it refreshes
//     ahead of time, and signs on again or reports that a user must.
//   - [github.com/agsauth/agsauth/transport] is an [net/http.RoundTripper] that adds
//     the token to requests, and replaces a token that was rejected.
//   - [github.com/agsauth/agsauth/store] keeps the session beyond the process, and
//     shares it between processes.
//   - [github.com/agsauth/agsauth/clock] is the source of time, also in tests.
//   - [github.com/agsauth/agsauth/agstest] is a gateway and an API in-process, for
//     tests of your own program.
//
// A program creates an ags.Client, passes it to a tokensource.Source, which uses it to
// refresh and to sign on, and wraps the Source in a transport.Transport:
//
//	gateway, err := ags.New(ags.Config{BaseURL: …, AuthServiceID: …, TenantID: …})
//	session, err := tokensource.New(tokensource.Config{
//		Refresher: gateway,
//		Login:     tokensource.SignOnWith(gateway, request),
//		Store:     &store.File{Path: …},
//	})
//	client := &http.Client{Transport: &transport.Transport{Source: session}}
//
// The examples below are complete programs.
package agsauth
