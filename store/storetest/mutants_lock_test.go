package storetest_test

import (
	"context"
	"errors"
	"io/fs"

	"github.com/agsauth/agsauth/store"
)

// brokenLocks have defects of Lock.
var brokenLocks = map[string]brokenStore{
	"Lock excludes nobody": {
		[]string{
			"LockExcludesOthers", "LockExcludesSameValue", "LockOutlivesContext", "UnlockEndsWait", "LockWithNothingStored",
			"UnlockTwice", "ConcurrentLocks", "SetAsideWithAnySuffix",
		},
		same(mutant{lock: func(context.Context, *store.Memory) (func() error, error) { return noUnlock, nil }}),
	},
	"Lock excludes only other values": {[]string{"LockExcludesSameValue"}, each(func() mutant {
		held := false
		return mutant{lock: func(ctx context.Context, m *store.Memory) (func() error, error) {
			if held {
				return noUnlock, nil
			}
			unlock, err := m.Lock(ctx)
			held = err == nil
			return func() error { held = false; return unlock() }, err
		}}
	})},
	"Lock ignores contexts": {[]string{"LockWaitEndsWithContext", "ContextEnded"}, same(mutant{
		lock: func(ctx context.Context, m *store.Memory) (func() error, error) {
			return m.Lock(context.WithoutCancel(ctx))
		},
	})},
	"unlock does nothing": {[]string{"UnlockEndsWait"}, same(mutant{
		lock: func(ctx context.Context, m *store.Memory) (func() error, error) {
			_, err := m.Lock(ctx)
			return noUnlock, err
		},
	})},
	"the context ends the lock": {[]string{"LockOutlivesContext"}, same(mutant{
		lock: func(ctx context.Context, m *store.Memory) (func() error, error) {
			unlock, err := m.Lock(ctx)
			if err == nil {
				context.AfterFunc(ctx, func() { _ = unlock() })
			}
			return unlock, err
		},
	})},
	"Delete ends the lock": {[]string{"LockWithNothingStored"}, func() func() mutant {
		var held func() error
		return func() mutant {
			return mutant{
				lock: func(ctx context.Context, m *store.Memory) (func() error, error) {
					unlock, err := m.Lock(ctx)
					held = unlock
					return unlock, err
				},
				remove: func(ctx context.Context, m *store.Memory) error { return errors.Join(held(), m.Delete(ctx)) },
			}
		}
	}},
	"the lock blocks Save": {[]string{"LockDoesNotBlockRecord"}, func() func() mutant {
		locked := false
		return func() mutant {
			mine := false
			return mutant{
				lock: func(ctx context.Context, m *store.Memory) (func() error, error) {
					unlock, err := m.Lock(ctx)
					locked, mine = true, true
					return func() error { locked, mine = false, false; return unlock() }, err
				},
				save: func(ctx context.Context, m *store.Memory, data []byte) error {
					if locked && !mine {
						return fs.ErrPermission
					}
					return m.Save(ctx, data)
				},
			}
		}
	}},
	"second unlock ends another lock": {[]string{"UnlockTwice"}, func() func() mutant {
		slot := make(chan struct{}, 1)
		return func() mutant {
			return mutant{lock: func(ctx context.Context, _ *store.Memory) (func() error, error) {
				select {
				case slot <- struct{}{}:
				case <-ctx.Done():
					return nil, context.Cause(ctx)
				}
				return func() error {
					select {
					case <-slot:
					default:
					}
					return nil
				}, nil
			}}
		}
	}},
}

// brokenAsides have defects of SetAside.
var brokenAsides = map[string]brokenStore{
	"SetAside does nothing": {[]string{"SetAside", "SetAsideAgain", "SetAsideWithAnySuffix"}, same(mutant{
		aside: func(ctx context.Context, m *store.Memory, _ string) error { _, err := m.Peer().Load(ctx); return err },
	})},
	"SetAside of nothing returns no error": {[]string{"SetAsideWithNothingStored"}, same(mutant{
		aside: func(ctx context.Context, m *store.Memory, _ string) error { return m.Delete(ctx) },
	})},
	"SetAside works once": {[]string{"SetAsideAgain"}, func() func() mutant {
		var taken string
		return func() mutant {
			return mutant{aside: func(ctx context.Context, m *store.Memory, suffix string) error {
				if taken == suffix {
					return errors.New("the name exists")
				}
				err := m.SetAside(ctx, suffix)
				if err == nil {
					taken = suffix
				}
				return err
			}}
		}
	}},
	"SetAside refuses suffixes": {[]string{"SetAsideWithAnySuffix"}, same(mutant{
		aside: func(ctx context.Context, m *store.Memory, suffix string) error {
			if !fs.ValidPath(suffix) {
				return errors.New("not a name")
			}
			return m.SetAside(ctx, suffix)
		},
	})},
	"Save after SetAside overwrites": {[]string{"SetAsideThenSaveOnlyCreates"}, each(func() mutant {
		aside := false
		return mutant{
			aside: func(ctx context.Context, m *store.Memory, suffix string) error {
				aside = true
				return m.SetAside(ctx, suffix)
			},
			save: func(ctx context.Context, m *store.Memory, data []byte) error {
				if aside {
					return overwrite(ctx, m, data)
				}
				return m.Save(ctx, data)
			},
		}
	})},
}
