package store

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
)

// A file usually holds the bytes of the record and nothing else. While it is written
// in place, see [recordFile.rewrite], it begins with a head, which tells readers that
// the record is incomplete.
//
// A record is stored in a frame, with its length, if its own bytes begin like a frame,
// or if it is shorter than a head and written in place. Sessions of this library are
// neither. Frames and heads begin with frameMark, a byte for their kind and a newline.
const (
	frameMark = "\x15agsauth-file "
	// headSize is the size of a head, in bytes. It is smaller than a disk sector, so
	// that a head at the beginning of a file is written as a whole.
	headSize = 64
	// frameOverhead is the size of a frame without its record, in bytes.
	frameOverhead = len(frameMark) + 2 + 8
)

const (
	frameRecord  = 'r' // followed by 8 bytes of length and the record
	frameNothing = '-' // nothing is stored
	headBackup   = 'k' // incomplete; followed by the SHA-256 of the previous record, which is in the backup
	headNothing  = 'n' // incomplete; nothing was stored before
	headNoBackup = 'u' // incomplete; there is no backup
)

// content is the content of a record's file.
type content struct {
	state  state
	data   []byte            // the record, if present
	backup [sha256.Size]byte // the hash of the previous record, if tornWithBackup
}

type state int

const (
	present          state = iota
	nothing                // nothing is stored
	torn                   // incomplete, and the previous record is lost
	tornWithBackup         // incomplete, and there is a backup of the previous record
	tornAfterNothing       // incomplete, and nothing was stored before
	unknown                // of a kind that this version does not know
)

// encodeRecord returns the content of a file for a record. In place it is never
// shorter than a head.
func encodeRecord(data []byte, inPlace bool) []byte {
	if !looksFramed(data) && (!inPlace || len(data) >= headSize) {
		return data
	}
	return encodeFrame(frameRecord, append(binary.BigEndian.AppendUint64(nil, uint64(len(data))), data...))
}

// encodeFrame returns a frame or a head, padded to headSize.
func encodeFrame(kind byte, body []byte) []byte {
	frame := append([]byte(frameMark), kind, '\n')
	frame = append(frame, body...)
	return append(frame, make([]byte, max(0, headSize-len(frame)))...)
}

// looksFramed reports whether data begins with frameMark, or is the beginning of it.
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
	case headBackup:
		return content{state: tornWithBackup, backup: [sha256.Size]byte(body)}
	case headNothing:
		return content{state: tornAfterNothing}
	case headNoBackup:
		return content{state: torn}
	}
	return content{state: unknown}
}

// isComplete reports whether the file was written to the end.
func (c content) isComplete() bool { return c.state == present || c.state == nothing }

// version returns the version of a complete content.
func (c content) version() version {
	if c.state == nothing {
		return version{}
	}
	return versionOf(c.data)
}

// A version identifies a record by its bytes. The zero version means that nothing is
// stored. A record that was replaced and restored has its old version again, which is
// harmless: a Save then overwrites exactly what was loaded.
type version struct {
	stored bool
	sum    [sha256.Size]byte
}

func versionOf(data []byte) version { return version{true, sha256.Sum256(data)} }
