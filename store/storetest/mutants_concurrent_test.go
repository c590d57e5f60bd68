package storetest_test

import (
	"bytes"
	"context"
	"io/fs"
	"sync"
	"sync/atomic"
	"time"

	"github.com/agsauth/agsauth/store"
)

// A rendezvous lets one goroutine wait for another, for a minute at most.
type rendezvous struct {
	once    sync.Once
	arrived chan struct{}
}

func newRendezvous() *rendezvous { return &rendezvous{arrived: make(chan struct{})} }

func (m *rendezvous) arrive() { m.once.Do(func() { close(m.arrived) }) }

func (m *rendezvous) wait() {
	select {
	case <-m.arrived:
	case <-time.After(time.Minute):
	}
}

// brokenConcurrency have defects that several users find.
var brokenConcurrency = map[string]brokenStore{
	"compare and swap are two steps":   {[]string{"ConcurrentSaves"}, compareThenSwap},
	"goroutines of one value conflict": {[]string{"ConcurrentUseOfOneValue"}, refusesConcurrency},
	"half a record is visible": {[]string{"LoadDuringSaves"}, exposes(func(ctx context.Context, m *store.Memory, data []byte) error {
		return m.Save(ctx, data[:len(data)/2])
	})},
	"nothing is visible during a Save": {[]string{"LoadDuringSaves"}, exposes(func(ctx context.Context, m *store.Memory, _ []byte) error {
		return m.Delete(ctx)
	})},
}

// compareThenSwap compares and swaps in two steps.
func compareThenSwap() func() mutant {
	var compared atomic.Int32
	both := newRendezvous()
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
				if compared.Add(1) == 1 {
					both.wait()
				} else {
					both.arrive()
				}
				return overwrite(ctx, m, data)
			},
		}
	}
}

// refusesConcurrency returns a conflict for a Save during another Save of the same value.
func refusesConcurrency() func() mutant {
	return func() mutant {
		var saves, running atomic.Int32
		both := newRendezvous()
		return mutant{save: func(ctx context.Context, m *store.Memory, data []byte) error {
			defer running.Add(-1)
			if running.Add(1) > 1 {
				both.arrive()
				return fs.ErrExist
			}
			if saves.Add(1) == 2 { // the first one is not concurrent
				both.wait()
			}
			return m.Save(ctx, data)
		}}
	}
}

// exposes returns a factory whose first Save calls partly, and waits until a Load has
// seen the effect.
func exposes(partly func(context.Context, *store.Memory, []byte) error) factory {
	return func() func() mutant {
		var loads, exposed atomic.Int32
		var mu sync.Mutex // held while exposed and the record change together
		seen := newRendezvous()
		return func() mutant {
			return mutant{
				load: func(ctx context.Context, m *store.Memory) ([]byte, error) {
					mu.Lock()
					during := exposed.Load() == 1
					data, err := m.Load(ctx)
					mu.Unlock()
					loads.Add(1)
					if during {
						seen.arrive()
					}
					return data, err
				},
				save: func(ctx context.Context, m *store.Memory, data []byte) error {
					if loads.Load() == 0 || exposed.Load() > 0 {
						return m.Save(ctx, data)
					}
					mu.Lock()
					err := partly(ctx, m, data)
					exposed.Add(1)
					mu.Unlock()
					if err != nil {
						return err
					}
					seen.wait()
					exposed.Add(1)
					return m.Save(ctx, data)
				},
			}
		}
	}
}
