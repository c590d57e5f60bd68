// Package harness checks that a [tokensource.Source] works inside a client that was
// written by somebody else.
//
// A test describes its client once, as a [Client], and plugs the Source in as the
// client's documentation says. [Run] then performs every [Check] with a new platform,
// session and client. A client that makes a check impossible says so in Limits; the
// check must then fail, so that the limit is known to exist. [CheckPage] compares
// docs/clients.md with the descriptions.
package harness
