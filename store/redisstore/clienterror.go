package redisstore

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"syscall"

	"github.com/redis/go-redis/v9"
)

// A timeoutError reports a timeout of the client.
type timeoutError struct{}

func (timeoutError) Error() string   { return "no answer in time" }
func (timeoutError) Timeout() bool   { return true }
func (timeoutError) Temporary() bool { return true }

// translate returns an error of the client in this package's own words. The client
// quotes answers that it cannot parse, which may contain the record, so its text is
// never used. An error in the chain is wrapped only if its text is constant.
func translate(err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, redis.Nil) {
		return errResult
	}
	if e, ok := errors.AsType[redis.Error](err); ok {
		return newServerError(e.Error())
	}
	for _, known := range []struct {
		is   error
		text string
	}{
		{redis.ErrClosed, "the client is closed"},
		{redis.ErrPoolTimeout, "no connection was free in time"},
		{redis.ErrPoolExhausted, "no connection is free"},
		{context.Canceled, "the client gave up"},
		{context.DeadlineExceeded, "the client gave up"},
		{io.EOF, "the server closed the connection"},
		{io.ErrUnexpectedEOF, "the server closed the connection"},
	} {
		if errors.Is(err, known.is) {
			return fmt.Errorf("%s: %w", known.text, known.is)
		}
	}
	return translateConnection(err)
}

// translateConnection is translate for errors of the network and of TLS.
func translateConnection(err error) error {
	if errno, ok := errors.AsType[syscall.Errno](err); ok {
		if errors.Is(errno, fs.ErrNotExist) || errors.Is(errno, fs.ErrExist) {
			// Not wrapped: it concerns a socket, and callers would take it for a
			// statement about the record.
			return errors.New("the connection failed: " + errno.Error())
		}
		return fmt.Errorf("the connection failed: %w", errno)
	}
	var timeout interface{ Timeout() bool } // not net.Error, which a store must not import
	if errors.As(err, &timeout) && timeout.Timeout() {
		return timeoutError{}
	}
	var (
		alert     tls.AlertError
		header    tls.RecordHeaderError
		authority x509.UnknownAuthorityError
		name      x509.HostnameError
		invalid   x509.CertificateInvalidError
	)
	switch {
	case errors.As(err, &alert):
		return fmt.Errorf("the TLS handshake failed: %w", alert)
	case errors.As(err, &header):
		return errors.New("the TLS handshake failed: the server does not speak TLS")
	case errors.As(err, &authority):
		return errors.New("the TLS handshake failed: the server's certificate is signed by an unknown authority")
	case errors.As(err, &name):
		return errors.New("the TLS handshake failed: the server's certificate is for another name")
	case errors.As(err, &invalid):
		return errors.New("the TLS handshake failed: the server's certificate is not valid")
	}
	return translateType(err)
}

// translateType is translate for unknown errors. The name of a type comes from the
// program and never from the server, so it contains no part of the record.
func translateType(err error) error {
	for {
		name := fmt.Sprintf("%T", err)
		if name == "*net.DNSError" {
			return errors.New("the server's name cannot be resolved")
		}
		inner := errors.Unwrap(err)
		if inner == nil {
			return fmt.Errorf("the client failed, or could not read the answer (an error of type %s)", name)
		}
		err = inner
	}
}
