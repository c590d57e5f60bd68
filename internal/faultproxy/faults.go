package faultproxy

import (
	"bytes"
	"compress/gzip"
	"crypto/tls"
	"fmt"
	"strings"
	"sync"
	"time"
)

// PassThrough is no fault: it forwards requests and responses.
func PassThrough(c *Conn) {
	for {
		answer := c.Exchange(c.Request())
		if answer == nil || !c.Write(answer) {
			return
		}
	}
}

// Once applies a fault to the first connection only.
func Once(fault Fault) Fault {
	var first sync.Once
	return func(c *Conn) {
		next := PassThrough
		first.Do(func() { next = fault })
		next(c)
	}
}

// Late delays both the request and the response.
func Late(by time.Duration) Fault {
	return func(c *Conn) {
		request := c.Request()
		time.Sleep(by)
		answer := c.Exchange(request)
		time.Sleep(by)
		c.Write(answer)
	}
}

// ResetAtOnce resets the connection before it reads the request.
func ResetAtOnce(c *Conn) { c.Reset() }

// ResetBefore resets the connection after it has read the request, which the server
// never gets.
func ResetBefore(c *Conn) {
	c.Request()
	c.Reset()
}

// ResetAfter resets the connection after the server has answered.
func ResetAfter(c *Conn) {
	c.Exchange(c.Request())
	c.Reset()
}

// HalfThenEnd forwards half of the response and closes the connection.
func HalfThenEnd(c *Conn) {
	answer := c.Exchange(c.Request())
	c.Write(answer[:len(answer)/2])
	c.End()
}

// HalfThenReset forwards half of the body and resets the connection.
func HalfThenReset(c *Conn) {
	answer := c.Exchange(c.Request())
	head, body := split(answer)
	c.Write(head)
	c.Write(body[:len(body)/2])
	c.Reset()
}

// Drip forwards the response one byte at a time.
func Drip(every time.Duration) Fault {
	return func(c *Conn) {
		for i, b := range c.Exchange(c.Request()) {
			if !c.Write([]byte{b}) {
				return
			}
			if i == 16 {
				c.Stuck()
			}
			time.Sleep(every)
		}
	}
}

// BlackHole reads the request and never answers.
func BlackHole(c *Conn) {
	c.Request()
	c.Stuck()
}

// Edit answers with what edit makes of the request and the server's response, and
// closes the connection.
func Edit(edit func(request, answer []byte) []byte) Fault {
	return func(c *Conn) {
		request := c.Request()
		c.Write(edit(request, c.Exchange(request)))
		_ = c.Client.Close() // closes TLS properly
		c.ended = true
	}
}

// Answer answers with raw, without calling the server.
func Answer(raw string) Fault {
	return Edit(func([]byte, []byte) []byte { return []byte(raw) })
}

// Endless answers with head, and then repeats piece as long as the client reads.
func Endless(head string, piece []byte) Fault {
	return func(c *Conn) {
		c.Request()
		for ok := c.Write([]byte(head)); ok; {
			ok = c.Write(piece)
		}
	}
}

// Silent announces a longer body than it sends, and then sends nothing more.
func Silent(c *Conn) {
	c.Write(replaceLength(c.Exchange(c.Request()), "Content-Length: 100000"))
	c.Stuck()
}

// NotTLS answers the TLS handshake with plain HTTP.
func NotTLS(c *Conn) {
	c.readClientHello()
	_, _ = c.Wire.Write([]byte("HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n"))
	c.End()
}

// CutHandshake closes the connection during the TLS handshake.
func CutHandshake(c *Conn) {
	c.readClientHello()
	c.End()
}

// SilentHandshake never answers the TLS handshake.
func SilentHandshake(c *Conn) {
	c.readClientHello()
	c.Stuck()
}

// Certificate uses another server certificate.
func Certificate(cfg *tls.Config) Fault {
	return func(c *Conn) {
		c.Client = tls.Server(c.Wire, cfg)
		PassThrough(c)
	}
}

// readClientHello reads the beginning of the TLS handshake.
func (c *Conn) readClientHello() { _, _ = c.Wire.Read(make([]byte, 4096)) }

// BombSize is the decompressed size of a [Bomb], in bytes.
const BombSize = 256 << 20

// Bomb is a response of 256 KiB that decompresses to 256 MiB. encoding is its
// Content-Encoding.
func Bomb(status int, encoding string) Fault {
	var once bytes.Buffer
	zip := gzip.NewWriter(&once)
	_, _ = zip.Write(bytes.Repeat([]byte{' '}, 1<<20))
	_ = zip.Close()
	// Concatenated gzip members are one valid file.
	body := bytes.Repeat(once.Bytes(), BombSize>>20)
	head := fmt.Sprintf("HTTP/1.1 %d OK\r\nContent-Type: application/json\r\nContent-Encoding: %s\r\nContent-Length: %d\r\n\r\n",
		status, encoding, len(body))
	return Answer(head + string(body))
}

// ManyHeaders adds thousands of header fields to a response.
func ManyHeaders(_, answer []byte) []byte {
	var fields strings.Builder
	for i := range 5000 {
		fmt.Fprintf(&fields, "X-Field-%d: %d\r\n", i, i)
	}
	return addFields(answer, fields.String())
}

// HTTP10 makes a response one of HTTP/1.0, without a length.
func HTTP10(_, answer []byte) []byte {
	answer = bytes.Replace(answer, []byte("HTTP/1.1"), []byte("HTTP/1.0"), 1)
	return replaceLength(answer, "X-Was: a length")
}

// TooShort sets a Content-Length that is less than the length of the body.
func TooShort(_, answer []byte) []byte { return replaceLength(answer, "Content-Length: 20") }

// TooLong sets a Content-Length that is more than the length of the body.
func TooLong(_, answer []byte) []byte { return replaceLength(answer, "Content-Length: 100000") }

// Twice sends the response twice.
func Twice(_, answer []byte) []byte { return bytes.Repeat(answer, 2) }

// EchoCredentials puts the credentials of the request in front of the response.
func EchoCredentials(request, answer []byte) []byte {
	_, after, _ := bytes.Cut(request, []byte("Authorization: "))
	line, _, _ := bytes.Cut(after, []byte("\r\n"))
	return append([]byte("X "+string(line)+"\r\n"), answer...)
}

// Redirect is a redirect to another URL.
func Redirect(to string) Fault {
	return Answer("HTTP/1.1 307 Temporary Redirect\r\nLocation: " + to + "\r\nContent-Length: 0\r\n\r\n")
}

// split splits a response into head, with the empty line, and body.
func split(answer []byte) (head, body []byte) {
	const emptyLine = "\r\n\r\n"
	end := bytes.Index(answer, []byte(emptyLine))
	if end < 0 {
		return answer, nil
	}
	end += len(emptyLine)
	return answer[:end], answer[end:]
}

// replaceLength returns the response with field in place of its Content-Length.
func replaceLength(answer []byte, field string) []byte {
	head, body := split(answer)
	lines := strings.Split(string(head), "\r\n")
	for i, line := range lines {
		if strings.HasPrefix(line, "Content-Length:") {
			lines[i] = field
		}
	}
	return append([]byte(strings.Join(lines, "\r\n")), body...)
}

func addFields(answer []byte, fields string) []byte {
	head, body := split(answer)
	return append([]byte(strings.TrimSuffix(string(head), "\r\n")+fields+"\r\n"), body...)
}
