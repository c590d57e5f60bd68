package grpcagsauth

import (
	"context"
	"errors"
	"io"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/emptypb"
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
	protobuf      bool // the messages have no other encoding
	awaitOther    func(t *attempt, rejection error) error
	open          func() (*openStream, error)

	turn    chan struct{} // has an element while someone receives
	peeked  *peeked       // to be returned by RecvMsg; guarded by turn
	settled chan struct{} // closed when repeatable becomes false

	mu         sync.Mutex // guards the fields below; not held while the caller's messages are sent or received
	current    *openStream
	repeatable bool  // nothing was received, and sent has everything that was sent
	sent       []any // kept while repeatable
	sentBytes  int
	closed     bool // CloseSend was called
}

// Header returns the header of the server. If the server has rejected the token, Header
// opens the stream once more, as RecvMsg does.
func (s *stream) Header() (metadata.MD, error) {
	md, err := s.inner().Header()
	if md == nil && err == nil {
		s.awaitSettled() // the server has ended the stream without a header
		return s.inner().Header()
	}
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

// SendMsg sends m, and keeps it to be sent again. If the server has ended the stream,
// SendMsg waits until it is known whether the stream is opened again.
func (s *stream) SendMsg(m any) error {
	inner := s.keep(m)
	err := inner.SendMsg(m)
	if !errors.Is(err, io.EOF) {
		return err
	}
	s.awaitSettled()
	if s.inner() != inner {
		return nil // m was sent again with the others
	}
	return err
}

// RecvMsg receives m. If the server has rejected the token it opens the stream once more, if
// that is possible.
func (s *stream) RecvMsg(m any) error {
	s.turn <- struct{}{}
	defer func() { <-s.turn }()
	if p := s.peeked; p != nil {
		s.peeked = nil
		return p.copyTo(m)
	}
	repeated, err := s.receive(m)
	if repeated {
		_, err = s.receive(m)
	}
	return err
}

// awaitSettled waits until it is known whether the stream, which the server has ended, is
// opened again.
func (s *stream) awaitSettled() {
	select {
	case s.turn <- struct{}{}:
		s.peek()
		<-s.turn
	case <-s.settled: // by the RecvMsg that is under way
	}
}

// peek receives in place of RecvMsg, to learn why the server has ended the stream. The
// caller must hold the turn.
func (s *stream) peek() {
	if !s.isRepeatable() {
		return
	}
	p := &peeked{}
	repeated, err := s.receive(&p.message)
	if p.err = err; !repeated {
		s.peeked = p
	}
}

// receive receives m, or opens the stream again instead. The caller must hold the turn.
func (s *stream) receive(m any) (repeated bool, err error) {
	inner := s.inner()
	err = inner.RecvMsg(m)
	if !s.auth.rejected(inner.attempt, err) || !s.isRepeatable() || hasHeader(inner) {
		s.commit()
		return false, err
	}
	if err := s.awaitOther(inner.attempt, err); err != nil {
		s.commit()
		return false, err
	}
	err = s.repeat(err)
	return err == nil, err
}

// hasHeader reports whether the server has sent a header before the end of a stream. Then
// it may have handled what was sent.
func hasHeader(ended *openStream) bool {
	md, err := ended.Header()
	return md != nil || err != nil
}

// peeked is the outcome of a peek.
type peeked struct {
	message emptypb.Empty // has every message as unknown fields
	err     error
}

func (p *peeked) copyTo(m any) error {
	if p.err != nil {
		return p.err
	}
	to, ok := m.(proto.Message)
	if !ok {
		return status.Errorf(codes.Internal, "grpcagsauth: cannot receive a %T", m)
	}
	return proto.Unmarshal(p.message.ProtoReflect().GetUnknown(), to)
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
// A message is copied: although gRPC forbids it, many programs fill the same message again
// for the next SendMsg or the next stream.
func (s *stream) keep(m any) *openStream {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch p, ok := m.(proto.Message); {
	case !s.repeatable:
	case !s.clientStreams && ok:
		s.sent = append(s.sent, proto.Clone(p))
	case !s.clientStreams:
		s.sent = append(s.sent, m)
	case !ok || !s.protobuf || s.sentBytes+messageHeader+proto.Size(p) > maxKept:
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
	if s.repeatable {
		s.repeatable, s.sent = false, nil
		close(s.settled)
	}
}
