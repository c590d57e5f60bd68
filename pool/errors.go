package pool

import (
	"errors"
	"fmt"

	"github.com/agsauth/agsauth/tokensource"
)

var (
	// ErrClosed says that the Pool was drained. It also Is [tokensource.ErrClosed], so that
	// [tokensource.IsFinal] is true for it.
	ErrClosed error = closedError{}
	// ErrEmptyKey says that the key of a session is empty.
	ErrEmptyKey = errors.New("pool: the key is empty")
	// ErrNoKey says that a context has no key. See [WithKey].
	ErrNoKey = errors.New("pool: the context has no key")
	// ErrRunning says that another Run of the Pool is running.
	ErrRunning = errors.New("pool: Run is running already")
)

type closedError struct{}

func (closedError) Error() string { return "pool: closed" }

func (closedError) Is(target error) bool { return target == tokensource.ErrClosed }

// ConfigError says what is wrong with a Config.
type ConfigError struct {
	// Field is the name of the field; it is empty if Err names it.
	Field string
	// Problem is what is wrong with the field.
	Problem string
	// Err is the error of package tokensource; it is nil if there is a Field.
	Err error
}

// Error returns the field and what is wrong with it.
func (e *ConfigError) Error() string {
	if e.Err != nil {
		return "pool: " + e.Err.Error()
	}
	return "pool: Config." + e.Field + " " + e.Problem
}

// Unwrap returns Err.
func (e *ConfigError) Unwrap() error { return e.Err }

// CallbackError says that a function of the Config has failed for one key. The next use of
// that key calls the function again.
type CallbackError struct {
	// Callback is the name of the function in the Config.
	Callback string
	// Problem is what it did.
	Problem string
}

// Error returns the function and what it did.
func (e *CallbackError) Error() string { return "pool: Config." + e.Callback + " " + e.Problem }

// WarmError says that sessions could not be restored. Those in the store are still there,
// and are loaded when they are asked for; Run also loads them, unless KeepAlive is OnDemand.
type WarmError struct {
	// Failed is how many sessions could not be restored, and Keys how many keys were read.
	Failed, Keys int
	// Err is the first failure, or the cause why Warm ended before all keys were read.
	Err error
}

// Error returns the counts and the first failure.
func (e *WarmError) Error() string {
	return fmt.Sprintf("pool: warm: %d of %d sessions failed: %v", e.Failed, e.Keys, e.Err)
}

// Unwrap returns Err.
func (e *WarmError) Unwrap() error { return e.Err }

// DrainError says that sessions could not be closed as they should.
type DrainError struct {
	// Unsaved is how many sessions could not be saved, or still had a call under way.
	Unsaved int
	// Open is how many sessions were not closed before the context ended. Another
	// call of Drain goes on with them.
	Open int
	// Err is the first failure, or the cause of the end of the context.
	Err error
}

// Error returns the counts and the first failure.
func (e *DrainError) Error() string {
	return fmt.Sprintf("pool: drain: %d sessions not saved, %d not closed: %v", e.Unsaved, e.Open, e.Err)
}

// Unwrap returns Err.
func (e *DrainError) Unwrap() error { return e.Err }
