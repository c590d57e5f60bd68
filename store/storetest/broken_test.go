package storetest_test

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/agsauth/agsauth/store"
	"github.com/agsauth/agsauth/store/storetest"
)

// mutant is a sound store with methods in the place of its own. Each of these is
// given the sound one, which is a value of its own on the shared record.
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

// A breed makes the values of one record, by what they have in common and each for
// itself.
type breed func() func() mutant

// each is a breed whose values have nothing in common but the record.
func each(make func() mutant) breed { return func() func() mutant { return make } }

// same is a breed of values that are all alike.
func same(m mutant) breed { return each(func() mutant { return m }) }

func (b breed) fresh(testing.TB) storetest.Opener {
	var m store.Memory
	next := b()
	return func() storetest.Store {
		s := next()
		s.Memory = m.Peer()
		return &s
	}
}

// overwrite saves over whatever is stored.
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

func nothing() error { return nil }

// brokenRecords keep records wrongly.
func brokenRecords() map[string]broken {
	return map[string]broken{
		"says nothing of nothing": {[]string{"NothingStored", "Delete", "DeleteOfAnothersRecord"}, same(mutant{
			load: func(ctx context.Context, m *store.Memory) ([]byte, error) {
				data, err := m.Load(ctx)
				if errors.Is(err, fs.ErrNotExist) {
					return nil, nil
				}
				return data, err
			},
		})},
		"saves nothing": {[]string{"SavedIsLoaded", "SaveFollowsSave"}, same(mutant{
			save: func(context.Context, *store.Memory, []byte) error { return nil },
		})},
		"trims": {[]string{"AnyBytes"}, same(mutant{
			save: func(ctx context.Context, m *store.Memory, data []byte) error {
				return m.Save(ctx, bytes.TrimSpace(data))
			},
		})},
		"keeps what it is given": {[]string{"BytesAreCopied"}, func() func() mutant {
			var kept []byte
			return func() mutant {
				return mutant{
					save: func(_ context.Context, _ *store.Memory, data []byte) error { kept = data; return nil },
					load: func(context.Context, *store.Memory) ([]byte, error) { return bytes.Clone(kept), nil },
				}
			}
		}},
		"gives away what it keeps": {[]string{"BytesAreCopied"}, func() func() mutant {
			var kept []byte
			return func() mutant {
				return mutant{
					save: func(_ context.Context, _ *store.Memory, data []byte) error { kept = bytes.Clone(data); return nil },
					load: func(context.Context, *store.Memory) ([]byte, error) { return kept, nil },
				}
			}
		}},
		"overwrites unseen": {
			[]string{
				"SaveWithoutLoadOnlyCreates", "SaveAfterNothingOnlyCreates", "SaveOntoAnothersRecord", "SaveOntoNothingLeft",
				"SaveOntoARecordMadeAnew", "DeleteThenSaveOnlyCreates", "SetAsideThenSaveOnlyCreates", "OneOfManyCreates",
				"LockBarsNobodyFromTheRecord", "SetAside",
			},
			same(mutant{save: overwrite}),
		},
		"lets one who knows nothing overwrite": {[]string{"SaveAfterNothingOnlyCreates", "DeleteThenSaveOnlyCreates"}, each(func() mutant {
			knows := false
			return mutant{
				load: func(ctx context.Context, m *store.Memory) ([]byte, error) {
					data, err := m.Load(ctx)
					knows = err == nil
					return data, err
				},
				save: func(ctx context.Context, m *store.Memory, data []byte) error {
					if !knows {
						return overwrite(ctx, m, data)
					}
					return m.Save(ctx, data)
				},
			}
		})},
		"forgets what it saved": {[]string{"SaveFollowsSave", "AnyBytes"}, same(mutant{
			save: func(ctx context.Context, m *store.Memory, data []byte) error { return m.Peer().Save(ctx, data) },
		})},
		"makes anew what is gone": {[]string{"SaveOntoNothingLeft"}, same(mutant{
			save: func(ctx context.Context, m *store.Memory, data []byte) error {
				if _, err := m.Peer().Load(ctx); errors.Is(err, fs.ErrNotExist) {
					return overwrite(ctx, m, data)
				}
				return m.Save(ctx, data)
			},
		})},
		"deletes nothing": {[]string{"Delete", "DeleteOfAnothersRecord", "LockOfNothing"}, same(mutant{
			remove: func(context.Context, *store.Memory) error { return nil },
		})},
		"deletes only what it knows": {[]string{"DeleteOfAnothersRecord", "SaveOntoNothingLeft"}, each(func() mutant {
			knows := false
			return mutant{
				save: func(ctx context.Context, m *store.Memory, data []byte) error { knows = true; return m.Save(ctx, data) },
				remove: func(ctx context.Context, m *store.Memory) error {
					if !knows {
						return fs.ErrExist
					}
					return m.Delete(ctx)
				},
			}
		})},
		"ignores contexts": {[]string{"ContextOver", "ContextOverWithNothingStored"}, same(mutant{
			load: func(ctx context.Context, m *store.Memory) ([]byte, error) { return m.Load(context.WithoutCancel(ctx)) },
			save: func(ctx context.Context, m *store.Memory, data []byte) error {
				return m.Save(context.WithoutCancel(ctx), data)
			},
		})},
	}
}

// A meeting makes sure that two are at it at once: the first waits for the second.
// One that waits in vain goes on, lest a check hang that others have failed already.
type meeting struct {
	once sync.Once
	came chan struct{}
}

func newMeeting() *meeting { return &meeting{came: make(chan struct{})} }

func (m *meeting) arrive() { m.once.Do(func() { close(m.came) }) }

func (m *meeting) wait() {
	select {
	case <-m.came:
	case <-time.After(time.Minute):
	}
}

// brokenTogether fail when several use a record at once.
func brokenTogether() map[string]broken {
	return map[string]broken{
		"looks, and then overwrites":          {[]string{"NoUpdateIsLostBySave"}, looksFirst},
		"is in the way of its own goroutines": {[]string{"ManyGoroutinesOfOneValue"}, inItsOwnWay},
		"shows half of a record": {[]string{"ReadersSeeWholeRecords"}, shows(func(ctx context.Context, m *store.Memory, data []byte) error {
			return m.Save(ctx, data[:len(data)/2])
		})},
		"shows nothing in between": {[]string{"ReadersSeeWholeRecords"}, shows(func(ctx context.Context, m *store.Memory, _ []byte) error {
			return m.Delete(ctx)
		})},
	}
}

// looksFirst compares, and then swaps, in two steps.
func looksFirst() func() mutant {
	var looked atomic.Int32
	both := newMeeting()
	return func() mutant {
		var seen []byte
		return mutant{
			load: func(ctx context.Context, m *store.Memory) (data []byte, err error) {
				data, err = m.Load(ctx)
				seen = data
				return data, err
			},
			save: func(ctx context.Context, m *store.Memory, data []byte) error {
				if now, _ := m.Peer().Load(ctx); !bytes.Equal(now, seen) {
					return fs.ErrExist
				}
				if looked.Add(1) == 1 {
					both.wait()
				} else {
					both.arrive()
				}
				return overwrite(ctx, m, data)
			},
		}
	}
}

// inItsOwnWay refuses what another goroutine has not done yet.
func inItsOwnWay() func() mutant {
	return func() mutant {
		var saves, inside atomic.Int32
		both := newMeeting()
		return mutant{save: func(ctx context.Context, m *store.Memory, data []byte) error {
			defer inside.Add(-1)
			if inside.Add(1) > 1 {
				both.arrive()
				return fs.ErrExist
			}
			if saves.Add(1) == 2 { // the first is by one goroutine alone
				both.wait()
			}
			return m.Save(ctx, data)
		}}
	}
}

// shows is a breed that lets a reader see what partly leaves of a record that is
// being replaced, once.
func shows(partly func(context.Context, *store.Memory, []byte) error) breed {
	return func() func() mutant {
		var loads, shown atomic.Int32
		var mu sync.Mutex // held while shown and the record change, so that a Load sees both or neither
		seen := newMeeting()
		return func() mutant {
			return mutant{
				load: func(ctx context.Context, m *store.Memory) ([]byte, error) {
					mu.Lock()
					during := shown.Load() == 1
					data, err := m.Load(ctx)
					mu.Unlock()
					loads.Add(1)
					if during {
						seen.arrive()
					}
					return data, err
				},
				save: func(ctx context.Context, m *store.Memory, data []byte) error {
					if loads.Load() == 0 || shown.Load() > 0 {
						return m.Save(ctx, data)
					}
					mu.Lock()
					err := partly(ctx, m, data)
					shown.Add(1)
					mu.Unlock()
					if err != nil {
						return err
					}
					seen.wait()
					shown.Add(1)
					return m.Save(ctx, data)
				},
			}
		}
	}
}

// brokenLocks lock wrongly.
func brokenLocks() map[string]broken {
	return map[string]broken{
		"keeps nobody out": {
			[]string{
				"LockKeepsOthersOut", "LockKeepsTheSameValueOut", "LockOutlivesItsContext", "LockIsPassedOn", "LockOfNothing",
				"UnlockTwice", "NoUpdateIsLostUnderLock", "SetAsideWithAnySuffix",
			},
			same(mutant{lock: func(context.Context, *store.Memory) (func() error, error) { return nothing, nil }}),
		},
		"keeps only other values out": {[]string{"LockKeepsTheSameValueOut"}, each(func() mutant {
			holds := false
			return mutant{lock: func(ctx context.Context, m *store.Memory) (func() error, error) {
				if holds {
					return nothing, nil
				}
				unlock, err := m.Lock(ctx)
				holds = err == nil
				return func() error { holds = false; return unlock() }, err
			}}
		})},
		"waits for ever": {[]string{"LockWaitEndsWithItsContext"}, same(mutant{
			lock: func(ctx context.Context, m *store.Memory) (func() error, error) {
				return m.Lock(context.WithoutCancel(ctx))
			},
		})},
		"unlocks nothing": {[]string{"LockIsPassedOn"}, same(mutant{
			lock: func(ctx context.Context, m *store.Memory) (func() error, error) {
				_, err := m.Lock(ctx)
				return nothing, err
			},
		})},
		"unlocks when the context ends": {[]string{"LockOutlivesItsContext"}, same(mutant{
			lock: func(ctx context.Context, m *store.Memory) (func() error, error) {
				unlock, err := m.Lock(ctx)
				if err == nil {
					context.AfterFunc(ctx, func() { _ = unlock() })
				}
				return unlock, err
			},
		})},
		"unlocks when the record is deleted": {[]string{"LockOfNothing"}, func() func() mutant {
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
		"bars others from the record": {[]string{"LockBarsNobodyFromTheRecord"}, func() func() mutant {
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
		"unlocks for another": {[]string{"UnlockTwice"}, func() func() mutant {
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
		"locks though the context is over": {[]string{"ContextOver"}, same(mutant{
			lock: func(ctx context.Context, m *store.Memory) (func() error, error) {
				return m.Lock(context.WithoutCancel(ctx))
			},
		})},
	}
}

// brokenAsides set aside wrongly.
func brokenAsides() map[string]broken {
	return map[string]broken{
		"sets nothing aside": {[]string{"SetAside", "SetAsideAgain", "SetAsideWithAnySuffix"}, same(mutant{
			aside: func(ctx context.Context, m *store.Memory, _ string) error { _, err := m.Peer().Load(ctx); return err },
		})},
		"sets nothing aside, and says so of nothing": {[]string{"SetAsideOfNothing"}, same(mutant{
			aside: func(ctx context.Context, m *store.Memory, _ string) error { return m.Delete(ctx) },
		})},
		"has one place to set aside": {[]string{"SetAsideAgain"}, func() func() mutant {
			var taken string
			return func() mutant {
				return mutant{aside: func(ctx context.Context, m *store.Memory, suffix string) error {
					if taken == suffix {
						return errors.New("there is one of that name")
					}
					err := m.SetAside(ctx, suffix)
					if err == nil {
						taken = suffix
					}
					return err
				}}
			}
		}},
		"takes only a plain suffix": {[]string{"SetAsideWithAnySuffix"}, same(mutant{
			aside: func(ctx context.Context, m *store.Memory, suffix string) error {
				if !fs.ValidPath(suffix) {
					return errors.New("not a name")
				}
				return m.SetAside(ctx, suffix)
			},
		})},
		"overwrites after it has set aside": {[]string{"SetAsideThenSaveOnlyCreates"}, each(func() mutant {
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
}
