package store

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
)

// openError is the error that Is [ErrNotOpened].
type openError struct {
	op      string
	problem problem
}

func (e *openError) Error() string { return "store: " + e.op + ": " + e.problem.why }

func (e *openError) Is(target error) bool { return target == ErrNotOpened }

// LeaveAlone reports whether what is stored, if anything, may be good for somebody
// else: then nothing is to be done in its place.
func (e *openError) LeaveAlone() bool { return !e.problem.damaged }

// Damaged reports whether what is stored can be nobody's record.
func (e *openError) Damaged() bool { return e.problem.damaged }

// A problem is why a record does not open. The zero problem means that it does.
type problem struct {
	why     string
	damaged bool // nobody can have use for the record
}

// What is wrong with a record.
const (
	cutShort  = "the record is damaged: it is cut short"
	zeroed    = "the record is damaged: there is nothing but zero bytes in it"
	noHeader  = "the record is damaged: it is not sealed, and no JSON object either"
	altered   = "the record is damaged, or was changed"
	unsealed  = "the record is not sealed"
	otherName = "the record was sealed under another name"
)

// foreign is the problem of a record that may be somebody else's.
func foreign(why string) problem { return problem{why: why} }

// beyondUse is the problem of a record that can be nobody's.
func beyondUse(why string) problem { return problem{why: why, damaged: true} }

// unusable returns what is wrong with the fields, other than Store.
func (s *Sealed) unusable() string {
	switch {
	case s.Name == "":
		return "Sealed.Name is empty"
	case len(s.Keys) == 0:
		return "Sealed.Keys is empty"
	}
	if i := slices.IndexFunc(s.Keys, Key.IsZero); i >= 0 {
		return fmt.Sprintf("Sealed.Keys[%d] is the zero Key", i)
	}
	return ""
}

// seal returns what is stored for a record.
func (s *Sealed) seal(record []byte) []byte {
	key := s.Keys[0].uses
	name := key.nameTag(s.Name)
	sealed := make([]byte, 0, headerSize+gcmOverhead+len(record))
	sealed = append(sealed, magic...)
	sealed = append(sealed, formatVersion)
	sealed = append(sealed, key.id[:]...)
	sealed = append(sealed, name[:]...)
	return key.seal(sealed, nil, record, s.bound(sealed))
}

// open returns the record that was sealed, or why it cannot.
func (s *Sealed) open(sealed []byte) (record []byte, p problem) {
	if p := checkForm(sealed); p.why != "" {
		return nil, p
	}
	header, body := sealed[:headerSize], sealed[headerSize:]
	keyTag := tag(header[len(magic)+1:])
	nameTag := tag(header[len(magic)+1+tagSize:])
	p = foreign(fmt.Sprintf("the record was sealed with the key %x, which is none of Keys", keyTag))
	for _, key := range s.Keys {
		if key.uses.id != keyTag {
			continue
		}
		if key.uses.nameTag(s.Name) != nameTag {
			p = foreign(otherName)
			continue
		}
		record, err := key.uses.open([]byte{}, nil, body, s.bound(header))
		if err == nil {
			return record, problem{}
		}
		// Only the owner of this key can have sealed it, and only under this name.
		return nil, beyondUse(altered)
	}
	return nil, p
}

// checkForm returns why something is not a sealed record of this format, as far as
// that can be told without a key.
func checkForm(stored []byte) problem {
	switch {
	case isZero(stored):
		return beyondUse(zeroed)
	case !bytes.HasPrefix(stored, []byte(magic)):
		return checkUnsealed(stored)
	case len(stored) > len(magic) && stored[len(magic)] > formatVersion:
		return foreign(fmt.Sprintf("the record was sealed by a newer version of this library, in format %d", stored[len(magic)]))
	case len(stored) < headerSize+gcmOverhead:
		return beyondUse(cutShort)
	case stored[len(magic)] != formatVersion:
		return beyondUse(altered)
	case isZero(stored[headerSize:]):
		return beyondUse(zeroed)
	}
	return problem{}
}

// checkUnsealed tells a record of a process that does without a Sealed, which is a
// JSON object, from remains.
func checkUnsealed(stored []byte) problem {
	text := bytes.TrimSpace(stored)
	switch {
	case bytes.HasPrefix([]byte(magic), stored):
		return beyondUse(cutShort)
	case json.Valid(text) && text[0] == '{':
		return foreign(unsealed)
	}
	return beyondUse(noHeader)
}

// isZero reports whether data holds nothing, or nothing but zero bytes, as a file
// does after a power cut.
func isZero(data []byte) bool { return len(bytes.Trim(data, "\x00")) == 0 }

// bound is what is authenticated with a record: its header and its name. That the
// header has a fixed size tells where the name begins.
func (s *Sealed) bound(header []byte) []byte {
	return append(slices.Clone(header[:headerSize]), s.Name...)
}
