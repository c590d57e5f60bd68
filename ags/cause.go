package ags

import (
	"context"
	"errors"
	"io"
	"net"
	"slices"
	"syscall"
)

// cause is the error beneath an [*Error]. It has the text of the one that it
// stands for, cleaned, and in place of that error's chain only those of its
// members that a caller may decide by and that can quote nothing: an error
// from a transport of the caller's choosing may hold the request, and would give
// it to whoever unwraps it and prints what comes out.
type cause struct {
	text    string
	members []error
	timeout bool
}

// newCause returns what may be known of err.
func newCause(err error, text string) *cause {
	c := &cause{text: text}
	for _, known := range []error{
		context.Canceled, context.DeadlineExceeded, io.EOF, io.ErrUnexpectedEOF, io.ErrClosedPipe, net.ErrClosed,
	} {
		if errors.Is(err, known) {
			c.members = append(c.members, known)
		}
	}
	if errno, ok := errors.AsType[syscall.Errno](err); ok {
		c.members = append(c.members, errno)
	}
	if ne, ok := errors.AsType[net.Error](err); ok {
		c.timeout = ne.Timeout()
	}
	return c
}

// and returns c with further members. A context's own cause may be one: it is the
// caller's.
func (c *cause) and(members ...error) *cause {
	out := *c
	out.members = slices.Concat(c.members, members)
	return &out
}

// Error returns the cleaned text.
func (c *cause) Error() string { return c.text }

// Unwrap returns the members.
func (c *cause) Unwrap() []error { return c.members }

// Timeout reports whether the error was a timeout; it makes a cause a [net.Error].
func (c *cause) Timeout() bool { return c.timeout }

// Temporary reports whether the error was a timeout. It is deprecated in
// [net.Error], which has it all the same.
func (c *cause) Temporary() bool { return c.timeout }

// ended returns before, a cause or nil, with the end of ctx made part of it.
func ended(ctx context.Context, before error) *cause {
	c, ok := errors.AsType[*cause](before)
	if !ok {
		c = &cause{text: ctx.Err().Error()}
	}
	c = c.and(ctx.Err(), context.Cause(ctx))
	c.timeout = errors.Is(ctx.Err(), context.DeadlineExceeded)
	return c
}
