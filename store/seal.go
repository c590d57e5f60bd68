package store

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
)

// A sealed record consists of magic, the version of the format, the tag of the key, the
// tag of the name, the nonce, the ciphertext and the GCM tag. The header is everything
// before the nonce. GCM authenticates it and the name together with the record.
const (
	magic         = "agsauth-sealed"
	formatVersion = 1
	headerSize    = len(magic) + 1 + 2*tagSize
	// gcmOverhead is the size of the nonce and the GCM tag.
	gcmOverhead = 12 + 16
	// maxPlain is the size limit of a record before it is sealed.
	maxPlain = maxRecord - headerSize - gcmOverhead
)

// openError is an error that Is [ErrNotOpened].
type openError struct {
	*recordError

	op string
}

func (e *openError) Error() string { return "store: " + e.op + ": " + e.reason }

func (e *openError) Is(target error) bool { return target == ErrNotOpened }

var (
	errCutShort  = &recordError{"the record is damaged: it is cut short", true}
	errZeroed    = &recordError{"the record is damaged: there is nothing but zero bytes in it", true}
	errNoHeader  = &recordError{"the record is damaged: it is not sealed, and no JSON object either", true}
	errAltered   = &recordError{"the record is damaged, or was changed", true}
	errUnsealed  = &recordError{"the record is not sealed", false}
	errOtherName = &recordError{"the record was sealed under another name", false}
)

// checkFields returns what is wrong with the fields other than Store.
func (s *Sealed) checkFields() *recordError {
	switch {
	case s.Name == "":
		return &recordError{reason: "Sealed.Name is empty"}
	case len(s.Keys) == 0:
		return &recordError{reason: "Sealed.Keys is empty"}
	}
	if i := slices.IndexFunc(s.Keys, Key.IsZero); i >= 0 {
		return &recordError{reason: fmt.Sprintf("Sealed.Keys[%d] is the zero Key", i)}
	}
	return nil
}

// seal encrypts a record.
func (s *Sealed) seal(record []byte) []byte {
	key := s.Keys[0].secret
	name := key.nameTag(s.Name)
	sealed := make([]byte, 0, headerSize+gcmOverhead+len(record))
	sealed = append(sealed, magic...)
	sealed = append(sealed, formatVersion)
	sealed = append(sealed, key.id[:]...)
	sealed = append(sealed, name[:]...)
	return key.seal(sealed, nil, record, s.additionalData(sealed))
}

// open decrypts a record, or returns why it cannot.
func (s *Sealed) open(sealed []byte) ([]byte, *recordError) {
	if err := checkForm(sealed); err != nil {
		return nil, err
	}
	header, body := sealed[:headerSize], sealed[headerSize:]
	keyTag := tag(header[len(magic)+1:])
	nameTag := tag(header[len(magic)+1+tagSize:])
	problem := &recordError{reason: fmt.Sprintf("the record was sealed with the key %x, which is none of Keys", keyTag)}
	for _, key := range s.Keys {
		if key.secret.id != keyTag {
			continue
		}
		if key.secret.nameTag(s.Name) != nameTag {
			problem = errOtherName
			continue
		}
		record, err := key.secret.open([]byte{}, nil, body, s.additionalData(header))
		if err != nil {
			// Only a holder of this key can have computed the tag of the name, so the
			// record belongs to this Sealed.
			return nil, errAltered
		}
		return record, nil
	}
	return nil, problem
}

// checkForm returns what is wrong with a sealed record as far as that can be told
// without a key.
func checkForm(stored []byte) *recordError {
	switch {
	case isZero(stored):
		return errZeroed
	case !bytes.HasPrefix(stored, []byte(magic)):
		return checkUnsealed(stored)
	case len(stored) > len(magic) && stored[len(magic)] > formatVersion:
		return &recordError{reason: fmt.Sprintf("the record was sealed by a newer version of this library, in format %d", stored[len(magic)])}
	case len(stored) < headerSize+gcmOverhead:
		return errCutShort
	case stored[len(magic)] != formatVersion:
		return errAltered
	case isZero(stored[headerSize:]):
		return errZeroed
	}
	return nil
}

// checkUnsealed distinguishes a record that was saved without a Sealed, a JSON object,
// from a damaged one.
func checkUnsealed(stored []byte) *recordError {
	text := bytes.TrimSpace(stored)
	switch {
	case bytes.HasPrefix([]byte(magic), stored):
		return errCutShort
	case json.Valid(text) && text[0] == '{':
		return errUnsealed
	}
	return errNoHeader
}

// isZero reports whether data is empty or consists of zero bytes, as a file may after a
// power failure.
func isZero(data []byte) bool { return len(bytes.Trim(data, "\x00")) == 0 }

// additionalData returns the data that GCM authenticates besides the record. The header
// has a fixed size, so the name is unambiguous.
func (s *Sealed) additionalData(header []byte) []byte {
	return append(slices.Clone(header[:headerSize]), s.Name...)
}
