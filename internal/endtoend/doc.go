// Package endtoend tests the whole library together: a program's HTTP client, the
// transport, a token source and the gateway's client, at a simulated gateway and API.
package endtoend
