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

// Clear is no fault: requests and answers go through, one after the other.
func Clear(t *Trip) {
	for {
		answer := t.Exchange(t.Request())
		if answer == nil || !t.Write(answer) {
			return
		}
	}
}

// Once has a fault befall the first connection, and none the others.
func Once(fault Fault) Fault {
	var first sync.Once
	return func(t *Trip) {
		next := Clear
		first.Do(func() { next = fault })
		next(t)
	}
}

// Late has everything on the way take so long, in both directions.
func Late(by time.Duration) Fault {
	return func(t *Trip) {
		request := t.Request()
		time.Sleep(by)
		answer := t.Exchange(request)
		time.Sleep(by)
		t.Write(answer)
	}
}

// ResetAtOnce breaks the connection off as soon as it was made.
func ResetAtOnce(t *Trip) { t.Reset() }

// ResetBefore breaks it off when it has the request. The server never sees that.
func ResetBefore(t *Trip) {
	t.Request()
	t.Reset()
}

// ResetAfter breaks it off when the server has answered.
func ResetAfter(t *Trip) {
	t.Exchange(t.Request())
	t.Reset()
}

// HalfThenEnd passes half of the answer on, and then the connection ends.
func HalfThenEnd(t *Trip) {
	answer := t.Exchange(t.Request())
	t.Write(answer[:len(answer)/2])
	t.End()
}

// HalfThenReset passes half of the body on, and then breaks the connection off.
func HalfThenReset(t *Trip) {
	answer := t.Exchange(t.Request())
	head, body := split(answer)
	t.Write(head)
	t.Write(body[:len(body)/2])
	t.Reset()
}

// Drip passes the answer on a byte at a time.
func Drip(every time.Duration) Fault {
	return func(t *Trip) {
		for i, b := range t.Exchange(t.Request()) {
			if !t.Write([]byte{b}) {
				return
			}
			if i == 16 {
				t.Stuck()
			}
			time.Sleep(every)
		}
	}
}

// BlackHole takes the request, and that is the last that is heard of it.
func BlackHole(t *Trip) {
	t.Request()
	t.Stuck()
}

// Edit passes an answer on that is made of the request and of the server's answer,
// and then the connection ends.
func Edit(edit func(request, answer []byte) []byte) Fault {
	return func(t *Trip) {
		request := t.Request()
		t.Write(edit(request, t.Exchange(request)))
		_ = t.Client.Close() // as one who has said it all
		t.ended = true
	}
}

// Answer answers in the server's place with these bytes.
func Answer(raw string) Fault {
	return Edit(func([]byte, []byte) []byte { return []byte(raw) })
}

// Endless begins to answer, and goes on with the same piece as long as somebody
// takes it.
func Endless(head string, piece []byte) Fault {
	return func(t *Trip) {
		t.Request()
		for ok := t.Write([]byte(head)); ok; {
			ok = t.Write(piece)
		}
	}
}

// Silent passes so much of the server's answer on, as announced by another length,
// and then says nothing more.
func Silent(t *Trip) {
	t.Write(relabel(t.Exchange(t.Request()), "Content-Length: 100000"))
	t.Stuck()
}

// NotTLS answers the beginning of a handshake as a server without TLS does.
func NotTLS(t *Trip) {
	t.hello()
	_, _ = t.Wire.Write([]byte("HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n"))
	t.End()
}

// CutHandshake ends the connection in the middle of the handshake.
func CutHandshake(t *Trip) {
	t.hello()
	t.End()
}

// SilentHandshake never answers the beginning of the handshake.
func SilentHandshake(t *Trip) {
	t.hello()
	t.Stuck()
}

// Certificate shows another certificate.
func Certificate(cfg *tls.Config) Fault {
	return func(t *Trip) {
		t.Client = tls.Server(t.Wire, cfg)
		Clear(t)
	}
}

// hello reads the first of what the client sends.
func (t *Trip) hello() { _, _ = t.Wire.Read(make([]byte, 4096)) }

// BombSize is how large a [Bomb] becomes.
const BombSize = 256 << 20

// Bomb is an answer of 256 KiB that its receiver is to make 256 MiB of. encoding is
// what it says of itself.
func Bomb(status int, encoding string) Fault {
	var once bytes.Buffer
	zip := gzip.NewWriter(&once)
	_, _ = zip.Write(bytes.Repeat([]byte{' '}, 1<<20))
	_ = zip.Close()
	// Members that follow each other are one file.
	body := bytes.Repeat(once.Bytes(), BombSize>>20)
	head := fmt.Sprintf("HTTP/1.1 %d OK\r\nContent-Type: application/json\r\nContent-Encoding: %s\r\nContent-Length: %d\r\n\r\n",
		status, encoding, len(body))
	return Answer(head + string(body))
}

// ManyHeaders adds thousands of header fields to the answer.
func ManyHeaders(_, answer []byte) []byte {
	var fields strings.Builder
	for i := range 5000 {
		fmt.Fprintf(&fields, "X-Field-%d: %d\r\n", i, i)
	}
	return addFields(answer, fields.String())
}

// HTTP10 is the answer as a server writes it that is older than the client.
func HTTP10(_, answer []byte) []byte {
	answer = bytes.Replace(answer, []byte("HTTP/1.1"), []byte("HTTP/1.0"), 1)
	return relabel(answer, "X-Was: a length")
}

// TooShort announces less than the body has.
func TooShort(_, answer []byte) []byte { return relabel(answer, "Content-Length: 20") }

// TooLong announces more than the body has.
func TooLong(_, answer []byte) []byte { return relabel(answer, "Content-Length: 100000") }

// Twice answers twice.
func Twice(_, answer []byte) []byte { return bytes.Repeat(answer, 2) }

// Babble puts in front of the answer what the client has sent as its credentials.
func Babble(request, answer []byte) []byte {
	_, after, _ := bytes.Cut(request, []byte("Authorization: "))
	line, _, _ := bytes.Cut(after, []byte("\r\n"))
	return append([]byte("X "+string(line)+"\r\n"), answer...)
}

// Redirect is an answer that leads elsewhere.
func Redirect(to string) Fault {
	return Answer("HTTP/1.1 307 Temporary Redirect\r\nLocation: " + to + "\r\nContent-Length: 0\r\n\r\n")
}

// split returns the head of an answer, the empty line included, and the body.
func split(answer []byte) (head, body []byte) {
	const emptyLine = "\r\n\r\n"
	end := bytes.Index(answer, []byte(emptyLine))
	if end < 0 {
		return answer, nil
	}
	end += len(emptyLine)
	return answer[:end], answer[end:]
}

// relabel returns the answer with another field in the place of its length.
func relabel(answer []byte, field string) []byte {
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
