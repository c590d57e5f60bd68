package transport

import (
	"bufio"
	"compress/gzip"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/textproto"
	"strings"
)

const (
	grpcStatus          = "Grpc-Status"
	grpcUnauthenticated = "16"

	grpcFrameHeader = 5    // a byte of flags, and the length of the frame
	grpcWebTrailer  = 0x80 // the flag of a frame that has the trailer
	connectEnd      = 0x02 // the flag of the last frame in a stream of the Connect protocol
	compressed      = 0x01 // the flag of a compressed frame, besides
)

// RejectionGRPC is a [Transport.IsRejection] for APIs that speak gRPC, gRPC-Web or the
// Connect protocol over net/http, as connect-go does. A rejection is a response without a
// message whose grpc-status is 16 (UNAUTHENTICATED), in the header, in the trailer or in
// the trailer frame of gRPC-Web; the same code in the last frame of a Connect stream; or a
// 401 or 403 that is a rejection by the rules of the package documentation.
//
// If the header has no grpc-status, RejectionGRPC reads the beginning of the body, so the
// response is returned when the server has sent a message or ended the call. Do not use it
// for calls in which the client sends nothing before it has got the response's header.
func RejectionGRPC(resp *http.Response) bool {
	media, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	switch {
	case resp.StatusCode != http.StatusOK:
		return isRejectedByStatus(resp)
	case strings.HasPrefix(media, "application/connect+"):
		return connectEndCode(resp.Body) == "unauthenticated"
	case !strings.HasPrefix(media, "application/grpc"):
		return false
	case resp.Header.Get(grpcStatus) != "":
		return resp.Header.Get(grpcStatus) == grpcUnauthenticated
	case strings.HasPrefix(media, "application/grpc-web"):
		return webTrailerStatus(resp.Body) == grpcUnauthenticated
	}
	n, err := io.ReadFull(resp.Body, make([]byte, 1))
	return n == 0 && errors.Is(err, io.EOF) && resp.Trailer.Get(grpcStatus) == grpcUnauthenticated
}

// webTrailerStatus returns the grpc-status of a gRPC-Web body that has no message.
func webTrailerStatus(body io.Reader) string {
	frame := firstFrame(body, grpcWebTrailer)
	if frame == nil {
		return ""
	}
	// The trailer does not end with an empty line, so an io.EOF follows the last field.
	fields, _ := textproto.NewReader(bufio.NewReader(frame)).ReadMIMEHeader()
	return fields.Get(grpcStatus)
}

// connectEndCode returns the error code of a Connect stream that has no message.
func connectEndCode(body io.Reader) string {
	frame := firstFrame(body, connectEnd)
	var end struct{ Error struct{ Code string } }
	if frame == nil || json.NewDecoder(frame).Decode(&end) != nil {
		return ""
	}
	return end.Error.Code
}

// firstFrame returns the first frame of a body, nil if it has other flags or is not
// compressed with gzip, which is what all implementations support.
func firstFrame(body io.Reader, flags byte) io.Reader {
	var head [grpcFrameHeader]byte
	if _, err := io.ReadFull(body, head[:]); err != nil || head[0]&^compressed != flags {
		return nil
	}
	frame := io.LimitReader(body, int64(binary.BigEndian.Uint32(head[1:])))
	if head[0]&compressed == 0 {
		return frame
	}
	expanded, err := gzip.NewReader(frame)
	if err != nil {
		return nil
	}
	return io.LimitReader(expanded, maxPeek)
}
