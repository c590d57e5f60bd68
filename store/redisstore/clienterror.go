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

// A timeoutError is an answer that did not come in time.
type timeoutError struct{}

func (timeoutError) Error() string   { return "no answer in time" }
func (timeoutError) Timeout() bool   { return true }
func (timeoutError) Temporary() bool { return true }

// told returns err, which the client has returned, in this package's own words. A
// client quotes the answer that it cannot read, and the record with it, so its
// text is never passed on. An error in its chain is kept where its text is
// constant.
func told(err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, redis.Nil) {
		return errAnswer
	}
	if r, ok := fromServer(err); ok {
		return r
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
	return toldOfConnection(err)
}

// toldOfConnection is told for the errors of the network and of TLS.
func toldOfConnection(err error) error {
	if errno, ok := errors.AsType[syscall.Errno](err); ok {
		if errors.Is(errno, fs.ErrNotExist) || errors.Is(errno, fs.ErrExist) {
			// The chain ends here: the system means a socket, and a caller who asks
			// for these two means the record.
			return errors.New("the connection failed: " + errno.Error())
		}
		return fmt.Errorf("the connection failed: %w", errno)
	}
	var late interface{ Timeout() bool }
	if errors.As(err, &late) && late.Timeout() {
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
	return toldByType(err)
}

// toldByType is told for errors of which nothing is known but their types. The
// name of a type is in the program, and never came from a server.
func toldByType(err error) error {
	for {
		kind := fmt.Sprintf("%T", err)
		if kind == "*net.DNSError" {
			return errors.New("the server's name cannot be resolved")
		}
		inner := errors.Unwrap(err)
		if inner == nil {
			return fmt.Errorf("the client failed, or could not read the answer (an error of type %s)", kind)
		}
		err = inner
	}
}
