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

// cause is the underlying error of an [*Error]. Instead of the original error it
// contains a description and those errors of the chain that contain no secret. An
// error of a transport may quote the request or the response: net/http quotes a
// malformed header line, which may be the line with the tokens.
type cause struct {
	text    string
	errs    []error
	timeout bool
}

// newCause returns the cause for err.
func newCause(err error) *cause {
	c := &cause{text: describe(err)}
	for _, known := range knownErrors() {
		if errors.Is(err, known) {
			c.errs = append(c.errs, known)
		}
	}
	if errno, ok := errors.AsType[syscall.Errno](err); ok {
		c.errs = append(c.errs, errno)
	}
	if ne, ok := errors.AsType[net.Error](err); ok {
		c.timeout = ne.Timeout()
	}
	return c
}

// withContextError returns c, a cause or nil, with the error of ctx, which has
// ended, and its cause, which is the caller's own.
func withContextError(ctx context.Context, err error) *cause {
	c, ok := errors.AsType[*cause](err)
	if !ok {
		c = &cause{text: ctx.Err().Error()}
	}
	c = c.with(ctx.Err(), context.Cause(ctx))
	c.timeout = errors.Is(ctx.Err(), context.DeadlineExceeded)
	return c
}

// with returns a copy of c with further errors.
func (c *cause) with(errs ...error) *cause {
	out := *c
	out.errs = slices.Concat(c.errs, errs)
	return &out
}

// Error returns the description.
func (c *cause) Error() string { return c.text }

// Unwrap returns the errors that contain no secret.
func (c *cause) Unwrap() []error { return c.errs }

// Timeout reports whether the error was a timeout. It makes c a [net.Error].
func (c *cause) Timeout() bool { return c.timeout }

// Temporary reports whether the error was a timeout, as [net.Error] requires.
func (c *cause) Temporary() bool { return c.timeout }

// knownErrors returns the errors that a caller may test for. Their texts are
// constants.
func knownErrors() []error {
	return []error{
		context.Canceled, context.DeadlineExceeded, io.ErrUnexpectedEOF, io.EOF, io.ErrClosedPipe, net.ErrClosed,
	}
}

// describe returns a description of err, made of constant texts only.
func describe(err error) string {
	if t, ok := errors.AsType[timeoutError](err); ok {
		return t.Error()
	}
	if op, ok := errors.AsType[*net.OpError](err); ok {
		switch op.Op {
		case "dial", "read", "write", "proxyconnect":
			return op.Op + ": " + describeKind(err)
		}
	}
	return describeKind(err)
}

// describeKind returns a description of err without the operation that failed.
func describeKind(err error) string {
	if errno, ok := errors.AsType[syscall.Errno](err); ok {
		return errno.Error()
	}
	if dns, ok := errors.AsType[*net.DNSError](err); ok {
		if dns.IsNotFound {
			return "no such host"
		}
		return "the host name could not be resolved"
	}
	if kind := describeTLS(err); kind != "" {
		return kind
	}
	for _, known := range knownErrors() {
		if errors.Is(err, known) {
			return known.Error()
		}
	}
	if ne, ok := errors.AsType[net.Error](err); ok && ne.Timeout() {
		return "timeout"
	}
	text := err.Error()
	for _, phrase := range httpPhrases() {
		if strings.Contains(text, phrase) {
			return phrase
		}
	}
	return "the request failed (" + typeOf(err) + ")"
}

// httpPhrases returns the constant parts of the errors of net/http.
func httpPhrases() []string {
	return []string{
		"server gave HTTP response to HTTPS client", "server response headers exceeded", "too many 1xx informational responses",
		"malformed HTTP response", "malformed HTTP status code", "malformed HTTP version", "malformed MIME header",
		"malformed chunked encoding", "unsupported transfer encoding", "bad Content-Length", "request canceled",
		"stream error", "connection error", "server sent GOAWAY", "client connection lost", "timeout awaiting response headers",
	}
}

// describeTLS returns a description if err is an error of TLS, and "" otherwise.
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
		return "the server does not speak TLS"
	}
	if alert, ok := errors.AsType[tls.AlertError](err); ok {
		return alert.Error() // a constant
	}
	return ""
}

// typeOf returns the name of the type of the innermost error.
func typeOf(err error) string {
	for inner := errors.Unwrap(err); inner != nil; inner = errors.Unwrap(err) {
		err = inner
	}
	return fmt.Sprintf("%T", err)
}
