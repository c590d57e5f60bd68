// Package picture draws the demo on a terminal while it is played: how long the
// tokens and the session still last, what the workers get done, what the gateway
// is up to, and what happened last. Keys have the gateway, the API and the machine
// misbehave.
//
// What is seen is a pure function, [View], of a [State].
package picture
