package storetest_test

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"testing"

	"github.com/agsauth/agsauth/store"
	"github.com/agsauth/agsauth/store/storetest"
)

// mutant is a correct store with some methods replaced. The replacements are called with
// the correct store.
type mutant struct {
	*store.Memory
	load   func(ctx context.Context, m *store.Memory) ([]byte, error)
	save   func(ctx context.Context, m *store.Memory, data []byte) error
	remove func(ctx context.Context, m *store.Memory) error
	lock   func(ctx context.Context, m *store.Memory) (func() error, error)
	aside  func(ctx context.Context, m *store.Memory, suffix string) error
}

func (s *mutant) Load(ctx context.Context) ([]byte, error) {
	if s.load != nil {
		return s.load(ctx, s.Memory)
	}
	return s.Memory.Load(ctx)
}

func (s *mutant) Save(ctx context.Context, data []byte) error {
	if s.save != nil {
		return s.save(ctx, s.Memory, data)
	}
	return s.Memory.Save(ctx, data)
}

func (s *mutant) Delete(ctx context.Context) error {
	if s.remove != nil {
		return s.remove(ctx, s.Memory)
	}
	return s.Memory.Delete(ctx)
}

func (s *mutant) Lock(ctx context.Context) (func() error, error) {
	if s.lock != nil {
		return s.lock(ctx, s.Memory)
	}
	return s.Memory.Lock(ctx)
}

func (s *mutant) SetAside(ctx context.Context, suffix string) error {
	if s.aside != nil {
		return s.aside(ctx, s.Memory, suffix)
	}
	return s.Memory.SetAside(ctx, suffix)
}

// A factory is called once for a record, and its result for each user of the record.
type factory func() func() mutant

// each returns a factory of mutants that share only the record.
func each(make func() mutant) factory { return func() func() mutant { return make } }

// same returns a factory of equal mutants.
func same(m mutant) factory { return each(func() mutant { return m }) }

func (f factory) fresh(testing.TB) storetest.Opener {
	var m store.Memory
	next := f()
	return func() storetest.Store {
		s := next()
		s.Memory = m.Peer()
		return &s
	}
}

// overwrite saves without comparing.
func overwrite(ctx context.Context, m *store.Memory, data []byte) error {
	for {
		if _, err := m.Load(ctx); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if err := m.Save(ctx, data); !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
}

func noUnlock() error { return nil }

// brokenRecords have defects of Load, Save or Delete.
var brokenRecords = map[string]brokenStore{
	"Load of nothing returns no error": {[]string{"NothingStored", "Delete", "DeleteByOther"}, same(mutant{
		load: func(ctx context.Context, m *store.Memory) ([]byte, error) {
			data, err := m.Load(ctx)
			if errors.Is(err, fs.ErrNotExist) {
				return nil, nil
			}
			return data, err
		},
	})},
	"Save does nothing": {[]string{"SavedIsLoaded", "SaveFollowsSave"}, same(mutant{
		save: func(context.Context, *store.Memory, []byte) error { return nil },
	})},
	"Save trims white space": {[]string{"AnyBytes"}, same(mutant{
		save: func(ctx context.Context, m *store.Memory, data []byte) error {
			return m.Save(ctx, bytes.TrimSpace(data))
		},
	})},
	"Save keeps no copy": {[]string{"BytesAreCopied"}, func() func() mutant {
		var kept []byte
		return func() mutant {
			return mutant{
				save: func(_ context.Context, _ *store.Memory, data []byte) error { kept = data; return nil },
				load: func(context.Context, *store.Memory) ([]byte, error) { return bytes.Clone(kept), nil },
			}
		}
	}},
	"Load returns no copy": {[]string{"BytesAreCopied"}, func() func() mutant {
		var kept []byte
		return func() mutant {
			return mutant{
				save: func(_ context.Context, _ *store.Memory, data []byte) error { kept = bytes.Clone(data); return nil },
				load: func(context.Context, *store.Memory) ([]byte, error) { return kept, nil },
			}
		}
	}},
	"Save does not compare": {
		[]string{
			"SaveWithoutLoadOnlyCreates", "SaveAfterNothingOnlyCreates", "SaveConflict", "SaveAfterDeleteByOther",
			"SaveAfterReplacementByOther", "DeleteThenSaveOnlyCreates", "SetAsideThenSaveOnlyCreates", "ConcurrentCreates",
			"LockDoesNotBlockRecord", "SetAside",
		},
		same(mutant{save: overwrite}),
	},
	"Save after nothing overwrites": {[]string{"SaveAfterNothingOnlyCreates", "DeleteThenSaveOnlyCreates"}, each(func() mutant {
		loaded := false
		return mutant{
			load: func(ctx context.Context, m *store.Memory) ([]byte, error) {
				data, err := m.Load(ctx)
				loaded = err == nil
				return data, err
			},
			save: func(ctx context.Context, m *store.Memory, data []byte) error {
				if !loaded {
					return overwrite(ctx, m, data)
				}
				return m.Save(ctx, data)
			},
		}
	})},
	"Save is not remembered": {[]string{"SaveFollowsSave", "AnyBytes"}, same(mutant{
		save: func(ctx context.Context, m *store.Memory, data []byte) error { return m.Peer().Save(ctx, data) },
	})},
	"Save creates a deleted record": {[]string{"SaveAfterDeleteByOther"}, same(mutant{
		save: func(ctx context.Context, m *store.Memory, data []byte) error {
			if _, err := m.Peer().Load(ctx); errors.Is(err, fs.ErrNotExist) {
				return overwrite(ctx, m, data)
			}
			return m.Save(ctx, data)
		},
	})},
	"Delete does nothing": {[]string{"Delete", "DeleteByOther", "LockWithNothingStored"}, same(mutant{
		remove: func(context.Context, *store.Memory) error { return nil },
	})},
	"Delete compares": {[]string{"DeleteByOther", "SaveAfterDeleteByOther"}, each(func() mutant {
		loaded := false
		return mutant{
			save: func(ctx context.Context, m *store.Memory, data []byte) error { loaded = true; return m.Save(ctx, data) },
			remove: func(ctx context.Context, m *store.Memory) error {
				if !loaded {
					return fs.ErrExist
				}
				return m.Delete(ctx)
			},
		}
	})},
	"contexts are ignored": {[]string{"ContextEnded", "ContextEndedWithNothingStored"}, same(mutant{
		load: func(ctx context.Context, m *store.Memory) ([]byte, error) { return m.Load(context.WithoutCancel(ctx)) },
		save: func(ctx context.Context, m *store.Memory, data []byte) error {
			return m.Save(context.WithoutCancel(ctx), data)
		},
	})},
}
