package redistest

import (
	"bufio"
	"errors"
	"io"
	"net"
	"strconv"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"
)

// Scripted is a server with the results of a test. It speaks RESP2, and returns OK for
// commands of the client itself.
type Scripted struct {
	tb       testing.TB
	addr     string
	listener net.Listener
}

// StartScripted starts a server on the loopback address that ends with the test. For each
// command, except those of the client itself, it calls answer with the words of the
// command, in one goroutine per connection. answer returns the bytes to send, and whether
// the connection stays open.
func StartScripted(tb testing.TB, answer func(command []string) (text string, more bool)) *Scripted {
	tb.Helper()
	l, err := (&net.ListenConfig{}).Listen(tb.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	s := &Scripted{tb: tb, addr: l.Addr().String(), listener: l}
	tb.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer func() { _ = conn.Close() }()
				_ = serve(conn, answer)
			}()
		}
	}()
	return s
}

// ClientWith returns a client with options that is closed at the end of the test.
func (s *Scripted) ClientWith(options *redis.Options) *redis.Client {
	options.Network, options.Addr = "tcp", s.addr
	client := redis.NewClient(options)
	s.tb.Cleanup(func() { _ = client.Close() })
	return client
}

// serve answers commands until the connection ends.
func serve(conn io.ReadWriter, answer func([]string) (string, bool)) error {
	r := bufio.NewReader(conn)
	for {
		command, err := readCommand(r)
		if err != nil {
			return err
		}
		text, more := "", true
		switch strings.ToLower(command[0]) {
		case "hello":
			text = "-ERR unknown command 'hello'\r\n" // so that the client uses RESP2
		case "client", "ping", "auth", "select":
			text = "+OK\r\n"
		default:
			text, more = answer(command)
		}
		if _, err := io.WriteString(conn, text); err != nil || !more {
			return err
		}
	}
}

// readCommand reads an array of bulk strings.
func readCommand(r *bufio.Reader) ([]string, error) {
	n, err := readLength(r, '*')
	if err != nil {
		return nil, err
	}
	command := make([]string, n)
	for i := range command {
		size, err := readLength(r, '$')
		if err != nil {
			return nil, err
		}
		word := make([]byte, size+len("\r\n"))
		if _, err := io.ReadFull(r, word); err != nil {
			return nil, err
		}
		command[i] = string(word[:size])
	}
	return command, nil
}

func readLength(r *bufio.Reader, kind byte) (int, error) {
	line, err := r.ReadString('\n')
	if err != nil {
		return 0, err
	}
	if line[0] != kind {
		return 0, errors.New("redistest: not a command")
	}
	return strconv.Atoi(strings.TrimSpace(line[1:]))
}
