// Package boundstore keeps a session at the gateway that issued it: the record says which
// one that is, and is not read for another. A refresh token that is sent elsewhere is given
// away, and may be lost as well.
package boundstore

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"sync/atomic"

	"github.com/agsauth/agsauth/store"
)

// Store is a store whose record belongs to a gateway and a tenant. It adds both to the
// record as fields, which other readers of the record ignore. A record without them, which
// another program has stored, is accepted, and gets them when it is saved. The same calls
// may be concurrent as of the inner store.
type Store struct {
	// Store stores the record. It must not be used otherwise.
	Store store.Store
	// Gateway and Tenant are those that the record must belong to.
	Gateway, Tenant string

	unsaved atomic.Pointer[error] // why the last Save has failed, or nil
}

// ErrElsewhere is wrapped by the error of Load for a record of another gateway or tenant.
var ErrElsewhere = errors.New("the stored session belongs to another gateway")

// elsewhereError is the error of Load for a record of another gateway or tenant.
type elsewhereError struct{ was, now owner }

func (e *elsewhereError) Error() string {
	return fmt.Sprintf("%v: %s, and not %s; use that gateway, or another --profile with a --store or --session of its own", ErrElsewhere, e.was, e.now)
}

// Is reports whether target is ErrElsewhere.
func (*elsewhereError) Is(target error) bool { return target == ErrElsewhere }

// LeaveAlone reports that others can use the record, so that it must not be replaced.
func (*elsewhereError) LeaveAlone() bool { return true }

// owner is what the fields say that are added to a record.
type owner struct {
	Gateway string `json:"gateway"`
	Tenant  string `json:"tenant"`
}

func (o owner) String() string {
	if o.Tenant == "" {
		return o.Gateway
	}
	return o.Gateway + " (tenant " + o.Tenant + ")"
}

// Check returns an error that Is [ErrElsewhere] if a record belongs to another gateway or
// tenant. What is no record is not judged.
func Check(record []byte, gateway, tenant string) error {
	now := ownerOf(gateway, tenant)
	var was owner
	isRecord := json.Unmarshal(record, &was) == nil
	if isRecord && was.Gateway != "" && was != now {
		return &elsewhereError{was, now}
	}
	return nil
}

func ownerOf(gateway, tenant string) owner { return owner{strings.TrimSuffix(gateway, "/"), tenant} }

// Load returns the record as it was saved. An error that Is [ErrElsewhere] means that it
// belongs to another gateway or tenant.
func (s *Store) Load(ctx context.Context) ([]byte, error) {
	stored, err := s.Store.Load(ctx)
	if err != nil {
		return nil, err
	}
	if err := Check(stored, s.Gateway, s.Tenant); err != nil {
		return nil, err
	}
	if rest, ok := bytes.CutPrefix(stored, s.fields()); ok {
		return append([]byte{'{'}, rest...), nil
	}
	return stored, nil
}

// Save stores the record with its gateway and tenant.
func (s *Store) Save(ctx context.Context, record []byte) error {
	rest, ok := bytes.CutPrefix(record, []byte{'{'})
	if !ok {
		return errors.New("the session cannot be stored: its record is not a JSON object")
	}
	err := s.Store.Save(ctx, append(s.fields(), rest...))
	s.unsaved.Store(nil)
	if err != nil && !errors.Is(err, fs.ErrExist) {
		s.unsaved.Store(&err)
	}
	return err
}

// Unsaved returns why the last Save has failed, or nil. That another record is stored is no
// failure.
func (s *Store) Unsaved() error {
	if err := s.unsaved.Load(); err != nil {
		return *err
	}
	return nil
}

// fields returns the beginning of a record that has the owner.
func (s *Store) fields() []byte {
	content, err := json.Marshal(ownerOf(s.Gateway, s.Tenant))
	if err != nil {
		return []byte{'{'} // cannot happen: both are texts
	}
	content[len(content)-1] = ','
	return content
}

// Delete removes the record, even one of another gateway.
func (s *Store) Delete(ctx context.Context) error { return s.Store.Delete(ctx) }

// Lock takes the lock of the inner store. If that has no method Lock, the error Is
// [errors.ErrUnsupported].
func (s *Store) Lock(ctx context.Context) (unlock func() error, err error) {
	inner, ok := s.Store.(interface {
		Lock(ctx context.Context) (unlock func() error, err error)
	})
	if !ok {
		return nil, errors.ErrUnsupported
	}
	return inner.Lock(ctx)
}

// SetAside sets the record of the inner store aside. If that has no method SetAside, the
// error Is [errors.ErrUnsupported].
func (s *Store) SetAside(ctx context.Context, suffix string) error {
	inner, ok := s.Store.(interface {
		SetAside(ctx context.Context, suffix string) error
	})
	if !ok {
		return errors.ErrUnsupported
	}
	return inner.SetAside(ctx, suffix)
}

// Notices returns, and removes, the notices of the inner store.
func (s *Store) Notices() []error {
	inner, ok := s.Store.(interface{ Notices() []error })
	if !ok {
		return nil
	}
	return inner.Notices()
}
