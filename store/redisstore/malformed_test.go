package redisstore_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/store/redisstore"
	"github.com/agsauth/agsauth/store/redisstore/internal/redistest"
)

// mark represents the record in results.
const mark = "MARK-of-secrets"

// assertNotQuoted asserts that neither err nor a wrapped error contains mark.
func assertNotQuoted(t *testing.T, op string, err error) {
	t.Helper()
	assertStoreError(t, op, err)
	for ; err != nil; err = errors.Unwrap(err) {
		for _, verb := range []string{"%v", "%+v", "%#v", "%q", "%x"} {
			text := fmt.Sprintf(verb, err)
			assert.NotContains(t, strings.ToLower(text), "of-secrets")
			assert.NotContains(t, text, fmt.Sprintf("%x", mark))
		}
		var number *strconv.NumError
		assert.NotErrorAs(t, err, &number, "it quotes its input")
	}
}

// In a malformed result, or one of another command, the record may be where the client
// expects something else, and the client quotes it. A Store does not.
func TestStore_NoErrorQuotesAnAnswerThatCannotBeRead(t *testing.T) {
	tests := map[string]string{
		"text alone":                   mark + "\r\n",
		"a status":                     "+" + mark + "\r\n",
		"an error":                     "-" + mark + "\r\n",
		"an error of the general code": "-ERR " + mark + "\r\n",
		"an error that quotes":         "-ERR unknown command '" + mark + "', with args beginning with: '" + mark + "'\r\n",
		"an error of a script":         "-" + in62 + mark + "\r\n",
		"an error of a known code":     "-NOPERM " + mark + " command 'key " + mark + "'\r\n",
		"a redirection":                "-MOVED 1 " + mark + ":1\r\n",
		"a length":                     "$" + mark + "\r\n",
		"a length below zero":          "$-7" + mark + "\r\n",
		"a number of elements":         "*" + mark + "\r\n",
		"an integer":                   ":" + mark + "\r\n",
		"a float":                      "," + mark + "\r\n",
		"a boolean":                    "#" + mark + "\r\n",
		"a large integer":              "(" + mark + "\r\n",
		"a verbatim string":            "=15\r\n" + mark + "\r\n",
		"a map":                        "%1\r\n*1\r\n$15\r\n" + mark + "\r\n+x\r\n",
		"an attribute":                 "|" + mark + "\r\n",
		"a push":                       ">1\r\n+" + mark + "\r\n",
		"an error of its own length":   "!15\r\n" + mark + "\r\n",
		"a line without its end":       mark + "\n" + mark + "\n",
		"half a string":                "$400\r\n" + mark,
		"an element that is a list":    "*3\r\n$6\r\nrecord\r\n*1\r\n+" + mark + "\r\n+x\r\n",
		"an element that is an error":  "*3\r\n$6\r\nrecord\r\n-" + mark + "\r\n+x\r\n",
		"unknown status":               "*2\r\n$15\r\n" + mark + "\r\n$15\r\n" + mark + "\r\n",
		"a lease that is no number":    "*2\r\n$4\r\nbusy\r\n$15\r\n" + mark + "\r\n",
		"an unknown command":           "*3\r\n$6\r\ndenied\r\n$4\r\nHSET\r\n$15\r\n" + mark + "\r\n",
		"nothing denied":               "*1\r\n$6\r\ndenied\r\n",
		"nothing":                      "$-1\r\n",
		"an empty list":                "*0\r\n",
		// The client panics.
		"a length that no memory has": "$4611686018427387904\r\n" + mark + "\r\n",
	}
	for name, text := range tests {
		t.Run(name, func(t *testing.T) {
			server := redistest.StartScripted(t, func([]string) (string, bool) { return text, false })
			s := open(t, server.ClientWith(&redis.Options{MaxRetries: -1}), "session")
			calls := methods(s)
			calls["check"] = s.Check
			for op, call := range calls {
				assertNotQuoted(t, op, call(t.Context()))
			}
		})
	}
}

func TestLock_UnlockQuotesNoResult(t *testing.T) {
	results := make(chan string, 2)
	server := redistest.StartScripted(t, func([]string) (string, bool) { return <-results, true })
	s := openWithoutPolling(t, server.ClientWith(&redis.Options{MaxRetries: -1}))
	results <- "*1\r\n$4\r\nheld\r\n"
	unlock := lock(t, s)
	results <- ":" + mark + "\r\n"
	assertNotQuoted(t, "unlock", unlock())
}

// The client panics at a malformed notification. Lock polls then.
func TestLock_MalformedNotification(t *testing.T) {
	for name, message := range map[string]string{
		"nothing":     "*0\r\n",
		"no kind":     "*3\r\n:1\r\n:2\r\n:3\r\n",
		"no count":    "*3\r\n$9\r\nsubscribe\r\n+x\r\n+" + mark + "\r\n",
		"no text":     "*3\r\n$7\r\nmessage\r\n:1\r\n:2\r\n",
		"not a reply": mark + "\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			scripts := make(chan string, 3)
			scripts <- "*2\r\n$4\r\nbusy\r\n$6\r\n100000\r\n"
			scripts <- "*1\r\n$4\r\nheld\r\n"
			scripts <- "*1\r\n$8\r\nreleased\r\n"
			subscribed := make(chan struct{})
			notify := sync.OnceFunc(func() { close(subscribed) }) // the client may subscribe twice
			server := redistest.StartScripted(t, func(command []string) (string, bool) {
				if command[0] == "subscribe" {
					notify()
					return message, true
				}
				if len(scripts) == 2 {
					<-subscribed
				}
				return <-scripts, true
			})
			s := openWith(t, redisstore.Config{
				Client: server.ClientWith(&redis.Options{MaxRetries: -1}), Lease: never, PollInterval: 10 * time.Millisecond,
			})
			require.NoError(t, lock(t, s)())
		})
	}
}

// Errors of the connection are named by their type, and not quoted.
func TestStore_ConnectionErrors(t *testing.T) {
	tests := []struct {
		name string
		err  error
		want string
	}{
		{"unknown", errors.New("proxy: " + mark), "an error of type *errors.errorString"},
		{"a name", &net.DNSError{Err: "no such host", Name: mark}, "the server's name cannot be resolved"},
		{"a name, wrapped", fmt.Errorf("%s: %w", mark, &net.DNSError{Name: mark}), "the server's name cannot be resolved"},
		{"another authority", x509.UnknownAuthorityError{}, "unknown authority"},
		{"another name", x509.HostnameError{Certificate: &x509.Certificate{DNSNames: []string{mark}}, Host: mark}, "for another name"},
		{"an old certificate", x509.CertificateInvalidError{Detail: mark}, "certificate is not valid"},
		{"no TLS", tls.RecordHeaderError{Msg: mark}, "does not speak TLS"},
		{"a TLS alert", tls.AlertError(48), "TLS handshake failed"},
		{"too late", &net.OpError{Op: "dial", Err: timeoutError{}}, "no answer in time"},
		{"a deadline", fmt.Errorf("%s: %w", mark, context.DeadlineExceeded), "the client gave up: context deadline exceeded"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			client := redis.NewClient(&redis.Options{
				MaxRetries: -1, DialerRetries: 1,
				Dialer: func(context.Context, string, string) (net.Conn, error) { return nil, tt.err },
			})
			t.Cleanup(func() { _ = client.Close() })
			for op, call := range methods(open(t, client, "session")) {
				err := call(t.Context())
				assertNotQuoted(t, op, err)
				require.ErrorContains(t, err, tt.want)
			}
		})
	}
}

type timeoutError struct{}

func (timeoutError) Error() string { return mark }
func (timeoutError) Timeout() bool { return true }

// Errors that callers may ask for are wrapped, if their text is constant.
func TestStore_WrappedErrors(t *testing.T) {
	client := redistest.Start(t).Client()
	require.NoError(t, client.Close())
	for op, call := range methods(open(t, client, "session")) {
		err := call(t.Context())
		assertStoreError(t, op, err)
		require.ErrorIs(t, err, redis.ErrClosed)
	}
	late := redis.NewClient(&redis.Options{
		MaxRetries: -1, DialerRetries: 1,
		Dialer: func(context.Context, string, string) (net.Conn, error) { return nil, timeoutError{} },
	})
	t.Cleanup(func() { _ = late.Close() })
	_, err := open(t, late, "session").Load(t.Context())
	var timeout net.Error
	require.ErrorAs(t, err, &timeout)
	assert.True(t, timeout.Timeout())
}
