// Package lifecycle decides what happens to a session, and nothing else: it has no lock,
// no clock, no context and does no I/O.
//
// A [State] is a value. [Decide] says what to do with it at an instant, [NextChange] when
// the passing of time alone can change that, and [State.Apply] returns the state after
// something has happened, together with the events to announce. Only this package can
// change a State.
//
// The tokens themselves are opaque here, see [Tokens].
package lifecycle
