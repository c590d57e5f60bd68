package store

import (
	"fmt"
	"slices"
	"strings"
)

// openError is the error that Is [ErrNotOpened].
type openError struct{ op, why string }

func (e *openError) Error() string { return "store: " + e.op + ": " + e.why }

func (e *openError) Is(target error) bool { return target == ErrNotOpened }

// LeaveAlone says that what is stored, if anything, may be good for somebody else:
// nothing is to be done in its place.
func (e *openError) LeaveAlone() bool { return true }

const damaged = "the record is damaged, or was changed"

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
func (s *Sealed) open(sealed []byte) (record []byte, why string) {
	if why := checkHeader(sealed); why != "" {
		return nil, why
	}
	header, body := sealed[:headerSize], sealed[headerSize:]
	keyTag := tag(header[len(magic)+1:])
	nameTag := tag(header[len(magic)+1+tagSize:])
	why = fmt.Sprintf("the record was sealed with the key %x, which is none of Keys", keyTag)
	for _, key := range s.Keys {
		if key.uses.id != keyTag {
			continue
		}
		if key.uses.nameTag(s.Name) != nameTag {
			why = "the record was sealed under another name"
			continue
		}
		record, err := key.uses.open([]byte{}, nil, body, s.bound(header))
		if err == nil {
			return record, ""
		}
		why = damaged
	}
	return nil, why
}

// checkHeader returns why something is not a sealed record of this format.
func checkHeader(sealed []byte) (why string) {
	switch {
	case !strings.HasPrefix(string(sealed[:min(len(sealed), len(magic))]), magic):
		return "the record is not sealed"
	case len(sealed) > len(magic) && sealed[len(magic)] > formatVersion:
		return fmt.Sprintf("the record was sealed by a newer version of this library, in format %d", sealed[len(magic)])
	case len(sealed) < headerSize+gcmOverhead, sealed[len(magic)] != formatVersion:
		return damaged
	}
	return ""
}

// bound is what is authenticated with a record: its header and its name. That the
// header has a fixed size tells where the name begins.
func (s *Sealed) bound(header []byte) []byte {
	return append(slices.Clone(header[:headerSize]), s.Name...)
}
