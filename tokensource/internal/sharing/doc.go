// Package sharing is the protocol by which processes share a session through a store: the
// record and its versions, the lock, compare-and-swap, the marks of attempts, the
// sign-outs that the gateway must still be told of, and when a store that fails is given
// up. It does not know what a session is or what becomes of it.
package sharing
