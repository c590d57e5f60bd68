package grpcagsauth

import (
	"context"
	"errors"
	"io"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"
)

// maxKept limits the messages that are kept to be sent again, in bytes. gRPC accepts as
// many bytes for a new stream without waiting for the server. With more, sending them again
// could wait for a server that waits for its own messages to be received.
const maxKept = 64 << 10

// messageHeader is the length of what gRPC sends before each message.
const messageHeader = 5

// openStream is a stream as gRPC has opened it.
type openStream struct {
	grpc.ClientStream
	attempt *attempt
}

// stream is a stream that is opened once more if the server rejects the token of the first
// one before anything was received. As with every grpc.ClientStream, one goroutine may send
// while another receives.
type stream struct {
	auth          *auth
	clientStreams bool // the client may send several messages
	awaitOther    func(t *attempt, rejection error) error
	open          func() (*openStream, error)

	mu         sync.Mutex // guards the fields below; not held while the caller's messages are sent or received
	current    *openStream
	repeatable bool  // nothing was received, and sent has everything that was sent
	sent       []any // kept while repeatable
	sentBytes  int
	closed     bool // CloseSend was called
}

// Header returns the header of the server. A stream whose header was returned is not
// opened again.
func (s *stream) Header() (metadata.MD, error) {
	md, err := s.inner().Header()
	if md != nil {
		s.commit()
	}
	return md, err
}

// Trailer returns the trailer of the server.
func (s *stream) Trailer() metadata.MD { return s.inner().Trailer() }

// Context returns the context of the stream, which is not opened again after that.
func (s *stream) Context() context.Context { return s.commit().Context() }

// CloseSend closes the sending side.
func (s *stream) CloseSend() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	return s.current.CloseSend()
}

// SendMsg sends m, and keeps it to be sent again.
func (s *stream) SendMsg(m any) error {
	inner := s.keep(m)
	err := inner.SendMsg(m)
	if !errors.Is(err, io.EOF) {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.current != inner || s.repeatable {
		return nil // m was or will be sent again; otherwise RecvMsg returns why the stream has ended
	}
	return err
}

// RecvMsg receives m. If the server has rejected the token it opens the stream once more, if
// that is possible.
func (s *stream) RecvMsg(m any) error {
	inner := s.inner()
	err := inner.RecvMsg(m)
	if !s.auth.rejected(inner.attempt, err) || !s.isRepeatable() {
		s.commit()
		return err
	}
	if err := s.awaitOther(inner.attempt, err); err != nil {
		s.commit()
		return err
	}
	if err := s.repeat(err); err != nil {
		return err
	}
	return s.RecvMsg(m)
}

// repeat opens the stream again and sends what was sent. If more was sent meanwhile than is
// kept, it returns the rejection. After that the stream is not repeatable.
func (s *stream) repeat(rejection error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.repeatable {
		return rejection
	}
	defer s.commitLocked()
	next, err := s.open()
	if err != nil {
		return err
	}
	s.current = next
	for _, m := range s.sent {
		err := next.SendMsg(m)
		if errors.Is(err, io.EOF) {
			return nil // RecvMsg returns why the stream has ended
		}
		if err != nil {
			return err
		}
	}
	if s.closed {
		return next.CloseSend()
	}
	return nil
}

// keep keeps m while the stream is repeatable, and returns the stream to send it on.
//
// A message of a client that may send several is copied: although gRPC forbids it, many
// programs fill the same message again for each SendMsg.
func (s *stream) keep(m any) *openStream {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch p, ok := m.(proto.Message); {
	case !s.repeatable:
	case !s.clientStreams:
		s.sent = append(s.sent, m)
	case !ok || s.sentBytes+messageHeader+proto.Size(p) > maxKept:
		s.commitLocked()
	default:
		s.sentBytes += messageHeader + proto.Size(p)
		s.sent = append(s.sent, proto.Clone(p))
	}
	return s.current
}

// inner returns the stream to receive from.
func (s *stream) inner() *openStream {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.current
}

func (s *stream) isRepeatable() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.repeatable
}

// commit stays with the current stream, and returns it.
func (s *stream) commit() *openStream {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.commitLocked()
	return s.current
}

func (s *stream) commitLocked() {
	s.repeatable, s.sent = false, nil
}
