package command

import (
	"errors"
	"fmt"

	"github.com/agsauth/agsauth/cmd/agsauth/internal/exit"
)

// output is standard output. It keeps the first error, because most of what writes text
// looks at none.
type output struct{ env *Env }

// Write implements [io.Writer].
func (o output) Write(text []byte) (int, error) {
	n, err := o.env.Out.Write(text)
	if err != nil {
		o.env.outErr.CompareAndSwap(nil, &err)
	}
	return n, err
}

// print prints to standard output. [Run] returns the error.
func (e *Env) print(text string) { fmt.Fprint(output{e}, text) }

// outputError returns the error of a command, which is err if that says something, and
// otherwise that of writing its output.
func (e *Env) outputError(err error) error {
	failed := e.outErr.Load()
	var own *exit.Error
	isSilent := err == nil || errors.As(err, &own) && own.Err == nil
	if failed == nil || !isSilent {
		return err
	}
	return &exit.Error{Status: exit.Failure, Err: fmt.Errorf("the output cannot be written: %w", *failed)}
}
