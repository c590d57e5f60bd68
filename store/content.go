package store

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
)

// A record is written in place only where no file can be renamed: see
// [recordFile.rewrite]. Its file then begins with a head while it is written, and so
// tells a reader that it is not whole. Heads and frames begin with frameMark, and then
// have a byte for their kind and a newline. Every other file holds a record as it was
// given to Save.
//
// A record that begins as a frame does, or is shorter than a head and written in
// place, is framed: its length and its bytes stand behind the mark. The sessions of
// this library are neither.
const (
	frameMark = "\x15agsauth-file "
	// headSize is the size of a head, in bytes. It is written in one piece, at the
	// beginning of the file, within one sector of any disk.
	headSize = 64
	// frameOverhead is how many bytes a frame takes besides its record.
	frameOverhead = len(frameMark) + 2 + 8
)

const (
	frameRecord  = 'r' // a record follows: 8 bytes of length, then the record
	frameNothing = '-' // nothing is stored
	headKept     = 'k' // being written; the predecessor is kept beside it: its SHA-256 follows
	headNothing  = 'n' // being written; nothing was stored before
	headUnkept   = 'u' // being written; the predecessor is not kept
)

// content is what is in a record's file.
type content struct {
	state state
	data  []byte            // of a whole record
	kept  [sha256.Size]byte // the hash of the predecessor, of one that is tornButKept
}

type state int

const (
	whole            state = iota
	nothing                // nothing is stored
	torn                   // partly written, and its predecessor is lost
	tornButKept            // partly written, and its predecessor lies beside it
	tornAfterNothing       // partly written, and before it nothing was stored
	unknown                // of a kind that this version does not know
)

// encodeRecord returns the content of a record's file. One that is written in place is
// no shorter than a head.
func encodeRecord(data []byte, inPlace bool) []byte {
	if !looksFramed(data) && (!inPlace || len(data) >= headSize) {
		return data
	}
	return encodeFrame(frameRecord, append(binary.BigEndian.AppendUint64(nil, uint64(len(data))), data...))
}

// encodeFrame returns a frame, or a head, which is a frame of headSize.
func encodeFrame(kind byte, body []byte) []byte {
	frame := append([]byte(frameMark), kind, '\n')
	frame = append(frame, body...)
	return append(frame, make([]byte, max(0, headSize-len(frame)))...)
}

// looksFramed reports whether data begins as a frame does, also if it ends there.
func looksFramed(data []byte) bool {
	mark := []byte(frameMark)
	return bytes.HasPrefix(data, mark) || len(data) > 0 && bytes.HasPrefix(mark, data)
}

func decodeContent(raw []byte) content {
	switch {
	case !looksFramed(raw):
		return content{data: raw}
	case len(raw) < headSize:
		return content{state: torn}
	}
	kind, body := raw[len(frameMark)], raw[len(frameMark)+2:]
	switch kind {
	case frameRecord:
		length := binary.BigEndian.Uint64(body)
		if body = body[8:]; length > uint64(len(body)) {
			return content{state: torn}
		}
		return content{data: body[:length]}
	case frameNothing:
		return content{state: nothing}
	case headKept:
		return content{state: tornButKept, kept: [sha256.Size]byte(body)}
	case headNothing:
		return content{state: tornAfterNothing}
	case headUnkept:
		return content{state: torn}
	}
	return content{state: unknown}
}

// isWhole reports whether a content was written to the end.
func (c content) isWhole() bool { return c.state == whole || c.state == nothing }

// version returns the version of a content that is whole, or nothing.
func (c content) version() version {
	if c.state == nothing {
		return version{}
	}
	return versionOf(c.data)
}

// A version tells one record from another by what is in it. That a record may
// return to what it was before, unnoticed, does no harm: what would be
// overwritten is still what was loaded. The zero version is that of no record.
type version struct {
	stored bool
	sum    [sha256.Size]byte
}

func versionOf(data []byte) version { return version{true, sha256.Sum256(data)} }
