package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
)

// Store is a store that a [Sealed] can wrap: a [File], a [Memory], or another store with
// the guarantees of this package.
type Store interface {
	Load(ctx context.Context) ([]byte, error)
	Save(ctx context.Context, data []byte) error
	Delete(ctx context.Context) error
}

// ErrNotOpened means that a [Sealed] could not open the stored record, or that its
// fields are not set. An error that Is ErrNotOpened gives the reason, without a part of
// the record or of a key except a [Key.ID]. Its methods LeaveAlone() bool and
// Damaged() bool tell whether others may be able to use the record, see [Sealed].
var ErrNotOpened = errors.New("store: the record does not open")

// Sealed wraps a store and encrypts the record with AES-256-GCM. A reader of the inner
// store learns only the length of the record and the [Key.ID] of the key. Store, Name
// and Keys must be set before the first call. A Sealed must not be copied after first
// use. All methods are safe for concurrent use. Like the store that it wraps, a Sealed
// counts as one user of the record.
//
// # Protection
//
// An attacker who can only read the inner store or its backups does not get the tokens.
// One who can write the inner store cannot forge or change a record, or replace it with a
// record of another name. But such an attacker can delete the record, or restore an
// older record of the same name. The tokens of an older record were replaced since; a
// gateway that accepts each refresh token once may end the session when it sees an old
// one. Sealed does not protect against an attacker who can read the memory of the
// process.
//
// # Records that do not open
//
// If a record does not open, Load returns an error that Is [ErrNotOpened], and neither
// [fs.ErrNotExist] nor [fs.ErrExist]. Save then refuses to overwrite the record until
// another Load succeeds or finds nothing. SetAside and Delete work for every record,
// and so allow a new start. The error has two methods:
//
//   - LeaveAlone() bool returns true if others may be able to use the record: it was
//     sealed with another key, under another name or by a newer version of this
//     library, or it is an unsealed JSON object. It also returns true if the fields are
//     not set.
//   - Damaged() bool returns true if nobody can use the record: it is empty, consists of
//     zero bytes, is too short, is neither sealed nor a JSON object, or was changed
//     after it was sealed with one of Keys under this Name. A power failure can have
//     this effect. Such a record may be set aside.
//
// Unsealed records are refused, since anybody who can write the inner store could have
// created them. To introduce a Sealed, stop all processes that use the record without
// it, and seal the record once:
//
//	file := &store.File{Path: path}
//	record, err := file.Load(ctx)
//	…
//	sealed := &store.Sealed{Store: file, Name: name, Keys: keys}
//	err = sealed.Save(ctx, record) // replaces the record that file has loaded
//
// # Keys
//
// Do not store the keys beside the record. Use the environment or the system's storage
// for secrets.
//
// To replace a key, first append the new key to Keys in every process that shares the
// record. Then move it to the first place in every process. Remove the old key after
// every record has been saved again; each refresh saves the record of a session.
//
// A key can be used for 2³² Saves over all records: nonces are random, and must not
// repeat. A session that is refreshed every hour is saved twice each time, which takes
// 245,000 years; a million such sessions take three months.
type Sealed struct {
	// Store stores the sealed record. It must not be used otherwise; to examine the
	// bytes of a File use another File. Required.
	Store Store
	// Name distinguishes this record from all others that are sealed with the same
	// keys, for example the user of the session. It is authenticated with the record,
	// and not stored. Required. Records of the same name can be exchanged.
	Name string
	// Keys are the keys that open the record. The first one also seals it. At least
	// one is required.
	Keys []Key

	mu       mutex        // held by each operation except Lock; guards the fields below
	unopened *recordError // why the record last loaded did not open, or nil
}

var (
	errNoStore        = &recordError{reason: "Sealed.Store is nil"}
	errTooLargeToSeal = fmt.Errorf("larger than %d bytes", maxPlain)
)

// Load returns the opened record. If nothing is stored, the error Is [fs.ErrNotExist];
// if the record does not open, the error Is [ErrNotOpened]. Other errors are those of
// the inner store. Load waits for other operations of this Sealed except Lock.
func (s *Sealed) Load(ctx context.Context) ([]byte, error) {
	const op = "load"
	if err := s.begin(ctx, op); err != nil {
		return nil, err
	}
	defer s.mu.unlock()
	if err := s.checkFields(); err != nil {
		return nil, &openError{err, op}
	}
	data, err := s.Store.Load(ctx)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			s.unopened = nil
		}
		return nil, err
	}
	var record []byte
	if record, s.unopened = s.open(data); s.unopened != nil {
		return nil, &openError{s.unopened, op}
	}
	return record, nil
}

// Save seals data with the first key and saves it in the inner store, in place of the
// record last loaded or saved. If another record is stored, the error Is [fs.ErrExist].
// If the last Load did not open the record, Save changes nothing and its error Is
// [ErrNotOpened]. Sealing adds 59 bytes; the result has at most 1 MiB.
func (s *Sealed) Save(ctx context.Context, data []byte) error {
	const op = "save"
	if err := s.begin(ctx, op); err != nil {
		return err
	}
	defer s.mu.unlock()
	switch err := s.checkFields(); {
	case err != nil:
		return &openError{err, op}
	case s.unopened != nil:
		reason := "what is stored did not open, and is left alone: " + s.unopened.reason
		return &openError{&recordError{reason, s.unopened.damaged}, op}
	case len(data) > maxPlain:
		return failed(op, errTooLargeToSeal)
	}
	return s.Store.Save(ctx, s.seal(data))
}

// Delete removes the record from the inner store, even one that does not open.
func (s *Sealed) Delete(ctx context.Context) error {
	if err := s.begin(ctx, "delete"); err != nil {
		return err
	}
	defer s.mu.unlock()
	err := s.Store.Delete(ctx)
	if err == nil {
		s.unopened = nil
	}
	return err
}

// Lock takes the lock of the inner store. If that has no method Lock, the error Is
// [errors.ErrUnsupported].
func (s *Sealed) Lock(ctx context.Context) (unlock func() error, err error) {
	const op = "lock"
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if s.Store == nil {
		return nil, &openError{errNoStore, op}
	}
	inner, ok := s.Store.(interface {
		Lock(ctx context.Context) (unlock func() error, err error)
	})
	if !ok {
		return nil, unsupported(op, s.Store)
	}
	return inner.Lock(ctx)
}

// SetAside sets the record of the inner store aside, even one that does not open. The
// record stays sealed. If the inner store has no method SetAside, the error Is
// [errors.ErrUnsupported].
func (s *Sealed) SetAside(ctx context.Context, suffix string) error {
	const op = "set aside"
	if err := s.begin(ctx, op); err != nil {
		return err
	}
	defer s.mu.unlock()
	inner, ok := s.Store.(interface {
		SetAside(ctx context.Context, suffix string) error
	})
	if !ok {
		return unsupported(op, s.Store)
	}
	err := inner.SetAside(ctx, suffix)
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		s.unopened = nil
	}
	return err
}

// Notices returns, and removes, the notices of the inner store. If that has no method
// Notices, it returns nil.
func (s *Sealed) Notices() []error {
	inner, ok := s.Store.(interface{ Notices() []error })
	if !ok {
		return nil
	}
	return inner.Notices()
}

// begin locks s.mu, so that what the inner store has loaded and s.unopened concern the
// same record. Unless it returns an error, the caller must unlock s.mu.
func (s *Sealed) begin(ctx context.Context, op string) error {
	if err := s.mu.lock(ctx); err != nil {
		return err
	}
	if s.Store == nil {
		s.mu.unlock()
		return &openError{errNoStore, op}
	}
	return nil
}

func unsupported(op string, inner Store) error {
	return failed(op, fmt.Errorf("a %T cannot do that: %w", inner, errors.ErrUnsupported))
}
