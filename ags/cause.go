package ags

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"syscall"
)

// cause is the error beneath an [*Error]. Its text says of what kind the error is that
// it stands for, and in place of that error's chain it has only those members that a
// caller may decide by and that can quote nothing. An error from a transport may
// quote the request, or the answer: net/http does so with a line of an answer that is
// no header field, and in a garbled answer that line may be the one with the tokens.
type cause struct {
	text    string
	members []error
	timeout bool
}

// newCause returns what may be known of err.
func newCause(err error) *cause {
	c := &cause{text: describe(err)}
	for _, known := range knownCauses() {
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

// knownCauses returns the errors that a caller may ask for, and whose texts are constants.
func knownCauses() []error {
	return []error{
		context.Canceled, context.DeadlineExceeded, io.ErrUnexpectedEOF, io.EOF, io.ErrClosedPipe, net.ErrClosed,
	}
}

// describe says in words of our own of what kind an error is. The only texts of others
// in it are those that are constants.
func describe(err error) string {
	var what string
	if op, ok := errors.AsType[*net.OpError](err); ok {
		what = operation(op.Op)
	}
	if t, ok := errors.AsType[timeoutError](err); ok {
		return t.Error()
	}
	if errno, ok := errors.AsType[syscall.Errno](err); ok {
		return what + errno.Error()
	}
	if dns, ok := errors.AsType[*net.DNSError](err); ok {
		if dns.IsNotFound {
			return what + "no such host"
		}
		return what + "the name of the host could not be looked up"
	}
	if kind := describeTLS(err); kind != "" {
		return what + kind
	}
	for _, known := range knownCauses() {
		if errors.Is(err, known) {
			return what + known.Error()
		}
	}
	if ne, ok := errors.AsType[net.Error](err); ok && ne.Timeout() {
		return what + "timeout"
	}
	text := err.Error()
	for _, phrase := range exchangePhrases() {
		if strings.Contains(text, phrase) {
			return what + phrase
		}
	}
	return what + "the exchange failed (" + typeOf(err) + ")"
}

// exchangePhrases returns what net/http says of an exchange, without what it quotes
// behind that.
func exchangePhrases() []string {
	return []string{
		"server gave HTTP response to HTTPS client", "server response headers exceeded", "too many 1xx informational responses",
		"malformed HTTP response", "malformed HTTP status code", "malformed HTTP version", "malformed MIME header",
		"malformed chunked encoding", "unsupported transfer encoding", "bad Content-Length", "request canceled",
		"stream error", "connection error", "server sent GOAWAY", "client connection lost", "timeout awaiting response headers",
	}
}

// operation returns the beginning of a description for the Op of a net.OpError.
func operation(op string) string {
	switch op {
	case "dial", "read", "write", "proxyconnect":
		return op + ": "
	default:
		return ""
	}
}

func describeTLS(err error) string {
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return "the certificate was signed by unknown authority"
	}
	if _, ok := errors.AsType[x509.HostnameError](err); ok {
		return "the certificate is not valid for the host"
	}
	if invalid, ok := errors.AsType[x509.CertificateInvalidError](err); ok && invalid.Reason == x509.Expired {
		return "the certificate has expired or is not yet valid"
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return "the certificate could not be verified"
	}
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok {
		return "the other side does not speak TLS"
	}
	if alert, ok := errors.AsType[tls.AlertError](err); ok {
		return alert.Error() // one of a fixed list
	}
	return ""
}

// typeOf returns the name of the innermost error's type, which a reader can look up.
func typeOf(err error) string {
	for inner := errors.Unwrap(err); inner != nil; inner = errors.Unwrap(err) {
		err = inner
	}
	return fmt.Sprintf("%T", err)
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
