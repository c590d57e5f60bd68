// Package endtoend tests the whole library: a program's HTTP client, the transport, a
// token source and the gateway's client, against a simulated gateway and API. It has
// tests only. Each of them calls inBubble, for the fake clock of testing/synctest, or
// overLoopback, for real connections; both are in harness_test.go.
//
//	lifetimes, session_end, run     how long a session lasts, and what ends it
//	clocks                          suspended machines, clocks that are set or wrong
//	waiters, login, account         callers that wait; logins, devices and accounts
//	responses, lost_response        what the gateway answers, and answers that get lost
//	outage, rejection               back-off, Retry-After, tokens that the API rejects
//	network_fault, chaos            faults of the network; random faults for half a day
//	store, store_fault, sealed      sessions in a store, faults of the store, encryption
//	processes                       several processes that share a session
//	transport, oauth2               requests, and programs that know only x/oauth2
//	dialect                         gateways whose tokens come from IAS
//	secrets, probe                  no secret in any output
package endtoend
