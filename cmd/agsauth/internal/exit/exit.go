// Package exit defines the exit statuses of the command, and which error means which.
package exit

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/agsauth/agsauth/tokensource"
)

// The exit statuses.
const (
	OK          = 0
	Failure     = 1
	Usage       = 2   // the command line, the environment or a file is not valid
	SignIn      = 3   // the session has ended: a human must sign in again
	Unreachable = 4   // the gateway could not be reached or could not answer
	Interrupted = 130 // by Ctrl-C, as in shells
)

// Error is an error with an exit status of its own.
type Error struct {
	Status int
	// Err is what happened. It is nil if the command has said so already, or if the
	// status says all.
	Err error
	// Hint says what to do. It may be empty.
	Hint string
}

// Error returns the text of Err and the hint.
func (e *Error) Error() string {
	switch {
	case e.Err == nil:
		return fmt.Sprintf("exit status %d", e.Status)
	case e.Hint == "":
		return e.Err.Error()
	}
	return e.Err.Error() + "; " + e.Hint
}

// Unwrap returns Err.
func (e *Error) Unwrap() error { return e.Err }

// Usagef returns an error of status [Usage]. Its text names what is wrong and what
// to do about it.
func Usagef(format string, args ...any) error {
	return &Error{Status: Usage, Err: fmt.Errorf(format, args...)}
}

// ErrInterrupted is the error of a command that Ctrl-C or SIGTERM ended. It is the
// cause of the end of the command's context.
var ErrInterrupted = errors.New("interrupted")

// StatusOf returns the exit status of a command that ended with err.
func StatusOf(err error) int {
	var own *Error
	switch {
	case err == nil:
		return OK
	case errors.As(err, &own):
		return own.Status
	case errors.Is(err, ErrInterrupted), errors.Is(err, context.Canceled):
		return Interrupted
	case errors.Is(err, tokensource.ErrLoginRequired):
		return statusOfEnd(err)
	case isUnreachable(err):
		return Unreachable
	}
	return Failure
}

// statusOfEnd returns the status of an ended session. If a sign-on was tried and the
// gateway was away, a human is not needed: a later attempt may succeed.
func statusOfEnd(err error) int {
	if !tokensource.IsFinal(err) && isUnreachable(err) {
		return Unreachable
	}
	return SignIn
}

func isUnreachable(err error) bool {
	class := tokensource.ClassOf(err)
	return class == tokensource.ClassTimeout || class == tokensource.ClassUnavailable
}

// Message returns the text of err for standard error, on one line: what happened, and what
// to do. The text of a call of the gateway has its correlation identifier in it. It is
// empty if there is nothing to say. command returns the command line of a command for the
// same profile; nil means "agsauth NAME".
func Message(err error, command func(name string) string) string {
	if command == nil {
		command = func(name string) string { return "agsauth " + name }
	}
	text := Plain(err.Error())
	var own *Error
	switch {
	case !errors.As(err, &own):
		text += hint(err, command)
	case own.Err == nil:
		return ""
	}
	return text
}

// hint says what to do about an error that has no hint of its own.
func hint(err error, command func(name string) string) string {
	switch StatusOf(err) {
	case SignIn:
		return "; to sign in again, run " + command("login")
	case Unreachable:
		return strings.ReplaceAll(unreachableHint(err), "agsauth doctor", command("doctor"))
	case Failure:
		return strings.ReplaceAll(failureHint(err), "agsauth doctor", command("doctor"))
	}
	return ""
}
