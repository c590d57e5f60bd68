package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
)

// Store is what a [Sealed] can be put around: a [File], a [Memory], or a store of
// your own that keeps the promises of this package.
type Store interface {
	Load(ctx context.Context) ([]byte, error)
	Save(ctx context.Context, data []byte) error
	Delete(ctx context.Context) error
}

// ErrNotOpened says that a [Sealed] did not open what is stored, or cannot, as its
// fields are not set. The text of the error that Is this one says why, and nothing of
// the record or of a key but its [Key.ID]. Its methods LeaveAlone and Damaged, both
// without parameters and with a bool as their result, say whether the record may be
// somebody's or can be nobody's.
var ErrNotOpened = errors.New("store: the record does not open")

// Sealed is a store that encrypts what it keeps in another one, with AES-256-GCM:
// who reads that one learns how long the record is, and which key it was sealed
// with. It is ready for use once its fields are set, and must not be copied then.
// Its methods are safe for concurrent use, but a value belongs to one user, as the
// store that it is put around does.
//
// # What it keeps from whom
//
// Who can only read the inner store, or a copy of it, has no tokens. Who can write
// it cannot make a record, change one, or put that of another name in its place.
// But they can put back an older one of the same name, from wherever they have it:
// its tokens were replaced since, and a gateway that takes each refresh token once
// may end the session at the sight of one. They can delete it. And whoever can
// read the process's memory has all.
//
// # What does not open
//
// When a record does not open, Load returns an error that Is [ErrNotOpened] and
// neither of the two that mean something for the record. From then on Save refuses
// to overwrite it, until a Load has found something else. SetAside and Delete are the
// way to begin anew: they do not ask what is in the record. The error has two methods
// that say what to do:
//
//   - LeaveAlone() bool is true when the record may be somebody's session: one that
//     was sealed with another key, under another name, or by a newer version of this
//     library, or that is a JSON object and not sealed at all. Whoever has the right
//     key can go on with it. It is also true when the fields are not set.
//   - Damaged() bool is true when the record is of no use to anybody: it is empty,
//     nothing but zero bytes, too short, or neither sealed nor a JSON object; or it
//     was sealed with one of Keys under this Name, and was changed since. A power cut
//     leaves such records. They can be set aside.
//
// A record from before is not sealed, and refused, since who can write the store
// could have put it there. Seal it once, when no process works on it without a
// Sealed any more:
//
//	file := &store.File{Path: path}
//	record, err := file.Load(ctx)
//	…
//	sealed := &store.Sealed{Store: file, Name: name, Keys: keys}
//	err = sealed.Save(ctx, record) // over what file has just loaded
//
// # Keys
//
// Keep the keys where the record is not: in the environment, in what the system
// has for secrets. Beside the record they are worth nothing.
//
// To replace a key, put the new one behind the old one in every process that shares
// the record; then, when all have it, before the old one; and take the old one out
// when every record has been saved since. A session is, with each refresh.
//
// One key is good for 2³² Saves, over all records that it seals: nonces are drawn
// at random, and must not meet. A session that is refreshed every hour is saved
// twice each time, and takes many thousand years for that; a million such sessions
// take three months.
type Sealed struct {
	// Store keeps what is sealed. It belongs to this Sealed: the bytes of a File
	// can be looked at through another File. Required.
	Store Store
	// Name tells this record from all others that the keys seal, such as the
	// session's user. It is bound to the record, and not stored. Required: records
	// of one name can be put in each other's place.
	Name string
	// Keys are those that open. The first of them seals. At least one is required.
	Keys []Key

	busy   gate    // held by all operations but Lock, one at a time; guards all below
	closed problem // why the record last loaded did not open; zero when it did
}

// The parts of what is stored: magic, the format's version, the tag of the key,
// the tag of the name, then nonce, ciphertext and GCM's own tag. All before the
// nonce is the header; it and the name are authenticated with the record.
const (
	magic         = "agsauth-sealed"
	formatVersion = 1
	headerSize    = len(magic) + 1 + 2*tagSize
	// gcmOverhead is what the nonce and GCM's tag take.
	gcmOverhead = 12 + 16
	// maxPlain is the size of the largest record that can be sealed.
	maxPlain = maxRecord - headerSize - gcmOverhead
)

const noStore = "Sealed.Store is nil"

var errTooLargeToSeal = fmt.Errorf("larger than %d bytes", maxPlain)

// Load returns the record, opened. With nothing stored it returns an error that Is
// [fs.ErrNotExist]; for one that does not open the error Is [ErrNotOpened], and its
// methods LeaveAlone and Damaged say which of the two to do.
// Other errors are those of the inner store. It waits for this value's other
// operations, and for what the inner store waits for.
func (s *Sealed) Load(ctx context.Context) ([]byte, error) {
	const op = "load"
	if err := s.begin(ctx, op); err != nil {
		return nil, err
	}
	defer s.busy.leave()
	if why := s.unusable(); why != "" {
		return nil, &openError{op, foreign(why)}
	}
	data, err := s.Store.Load(ctx)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			s.closed = problem{}
		}
		return nil, err
	}
	record, p := s.open(data)
	s.closed = p
	if p.why != "" {
		return nil, &openError{op, p}
	}
	return record, nil
}

// Save seals data with the first key, and saves it as the inner store does: in
// place of the record last loaded or saved, or else with an error that Is
// [fs.ErrExist]. When the last Load did not open what is stored, it changes nothing
// and its error Is [ErrNotOpened]. Sealing adds 59 bytes, and what is stored has 1 MiB
// at most.
func (s *Sealed) Save(ctx context.Context, data []byte) error {
	const op = "save"
	if err := s.begin(ctx, op); err != nil {
		return err
	}
	defer s.busy.leave()
	switch why := s.unusable(); {
	case why != "":
		return &openError{op, foreign(why)}
	case s.closed.why != "":
		return &openError{op, problem{"what is stored did not open, and is left alone: " + s.closed.why, s.closed.damaged}}
	case len(data) > maxPlain:
		return failed(op, errTooLargeToSeal)
	}
	return s.Store.Save(ctx, s.seal(data))
}

// Delete removes the record, whichever it is, opened or not, as the inner store does.
func (s *Sealed) Delete(ctx context.Context) error {
	if err := s.begin(ctx, "delete"); err != nil {
		return err
	}
	defer s.busy.leave()
	err := s.Store.Delete(ctx)
	if err == nil {
		s.closed = problem{}
	}
	return err
}

// Lock takes the lock of the inner store, as that does. Over one that has none the
// error Is [errors.ErrUnsupported].
func (s *Sealed) Lock(ctx context.Context) (unlock func() error, err error) {
	const op = "lock"
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if s.Store == nil {
		return nil, &openError{op, foreign(noStore)}
	}
	inner, ok := s.Store.(interface {
		Lock(ctx context.Context) (unlock func() error, err error)
	})
	if !ok {
		return nil, unsupported(op, s.Store)
	}
	return inner.Lock(ctx)
}

// SetAside takes the record out of the way as the inner store does, opened or not:
// it stays sealed. Over a store that cannot do that the error Is
// [errors.ErrUnsupported].
func (s *Sealed) SetAside(ctx context.Context, suffix string) error {
	const op = "set aside"
	if err := s.begin(ctx, op); err != nil {
		return err
	}
	defer s.busy.leave()
	inner, ok := s.Store.(interface {
		SetAside(ctx context.Context, suffix string) error
	})
	if !ok {
		return unsupported(op, s.Store)
	}
	err := inner.SetAside(ctx, suffix)
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		s.closed = problem{}
	}
	return err
}

// Notices returns, and lets it forget, what the inner store has noticed and repaired by
// itself; nothing if that has no such method.
func (s *Sealed) Notices() []error {
	inner, ok := s.Store.(interface{ Notices() []error })
	if !ok {
		return nil
	}
	return inner.Notices()
}

func unsupported(op string, inner Store) error {
	return failed(op, fmt.Errorf("a %T cannot do that: %w", inner, errors.ErrUnsupported))
}

// begin makes the caller the only operation of s. Unless there is an error the
// caller leaves s.busy when done.
//
// One at a time, so that what the inner store knows as loaded, and what s knows of
// it, are about the same record.
func (s *Sealed) begin(ctx context.Context, op string) error {
	if err := s.busy.enter(ctx); err != nil {
		return err
	}
	if s.Store == nil {
		s.busy.leave()
		return &openError{op, foreign(noStore)}
	}
	return nil
}
