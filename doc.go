// Package agsauth keeps one sign-on to the Authentication Gateway Service (AGS)
// of NAGRA's OpenTV Platform alive, and puts a good token on every request.
//
// There is no code in this package: it says where things are.
//
//   - [github.com/agsauth/agsauth/ags] speaks to the gateway: one method a call.
//   - [github.com/agsauth/agsauth/tokensource] keeps the session alive: it
//     refreshes ahead of time, signs on again, or says that somebody must.
//   - [github.com/agsauth/agsauth/transport] is an [net/http.RoundTripper] that
//     puts the token into requests, and replaces one that was rejected.
//   - [github.com/agsauth/agsauth/store] keeps the session where it survives a
//     restart, and where several processes share it.
//   - [github.com/agsauth/agsauth/clock] is where time comes from, in tests too.
//   - [github.com/agsauth/agsauth/agstest] is a gateway and an API in-process, to
//     test one's own program against.
//
// A program makes an ags.Client, gives it to a tokensource.Source as the one that
// refreshes and signs on, and wraps the Source in a transport.Transport:
//
//	gateway, err := ags.New(ags.Config{BaseURL: …, AuthServiceID: …, TenantID: …})
//	session, err := tokensource.New(tokensource.Config{
//		Refresher: gateway,
//		Login:     tokensource.SignOnWith(gateway, request),
//		Store:     &store.File{Path: …},
//	})
//	client := &http.Client{Transport: &transport.Transport{Source: session}}
//
// The examples below are complete, and are run by the tests.
package agsauth
