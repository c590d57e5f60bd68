package otelagsauth_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/clock"
	"github.com/agsauth/agsauth/store"
	"github.com/agsauth/agsauth/tokensource"
)

// scriptedStore is a store in memory whose Load and Save fail while there is an error.
type scriptedStore struct {
	*store.Memory
	err atomic.Pointer[error]
}

func (s *scriptedStore) Load(ctx context.Context) ([]byte, error) {
	if err := s.err.Load(); err != nil {
		return nil, *err
	}
	return s.Memory.Load(ctx)
}

func (s *scriptedStore) Save(ctx context.Context, record []byte) error {
	if err := s.err.Load(); err != nil {
		return *err
	}
	return s.Memory.Save(ctx, record)
}

// The parts of a store, each answering with the same error after a while.
type (
	plain   struct{ answer func() error }
	locking struct{ answer func() error }
	aside   struct{ answer func() error }
	notices struct{ notice error }
)

func (p plain) Load(context.Context) ([]byte, error) { return []byte("record"), p.answer() }
func (p plain) Save(context.Context, []byte) error   { return p.answer() }
func (p plain) Delete(context.Context) error         { return p.answer() }

func (l locking) Lock(context.Context) (func() error, error) { return l.answer, l.answer() }
func (a aside) SetAside(context.Context, string) error       { return a.answer() }
func (n notices) Notices() []error                           { return []error{n.notice} }

// withMethods returns a store with some of the optional methods.
func withMethods(lock, setAside, notice bool, answer func() error) tokensource.Store {
	p, l, a, n := plain{answer}, locking{answer}, aside{answer}, notices{errNotice}
	switch {
	case lock && setAside && notice:
		return struct {
			plain
			locking
			aside
			notices
		}{p, l, a, n}
	case lock && setAside:
		return struct {
			plain
			locking
			aside
		}{p, l, a}
	case lock && notice:
		return struct {
			plain
			locking
			notices
		}{p, l, n}
	case setAside && notice:
		return struct {
			plain
			aside
			notices
		}{p, a, n}
	case lock:
		return struct {
			plain
			locking
		}{p, l}
	case setAside:
		return struct {
			plain
			aside
		}{p, a}
	case notice:
		return struct {
			plain
			notices
		}{p, n}
	}
	return p
}

var errNotice = errors.New("repaired")

func TestStore_HasTheOptionalMethodsOfTheInner(t *testing.T) {
	for i := range 8 {
		lock, setAside, notice := i&1 != 0, i&2 != 0, i&4 != 0
		t.Run(fmt.Sprintf("lock %t, set aside %t, notices %t", lock, setAside, notice), func(t *testing.T) {
			inBubble(t, func(t *testing.T, r *rig) {
				inner := withMethods(lock, setAside, notice, func() error { return nil })
				outer := r.telemetry.Instrument(tokensource.Config{Store: inner}).Store
				locker, canLock := outer.(tokensource.Locker)
				require.Equal(t, lock, canLock)
				asider, canSetAside := outer.(interface {
					SetAside(ctx context.Context, suffix string) error
				})
				require.Equal(t, setAside, canSetAside)
				noticer, hasNotices := outer.(interface{ Notices() []error })
				require.Equal(t, notice, hasNotices)

				record, err := outer.Load(t.Context())
				require.NoError(t, err)
				require.Equal(t, "record", string(record))
				r.want("agsauth.store.operation.duration", "op=load,outcome=success", 1, 0)
				if lock {
					unlock, err := locker.Lock(t.Context())
					require.NoError(t, err)
					require.NoError(t, unlock())
					r.want("agsauth.store.operation.duration", "op=lock,outcome=success", 1, 0)
					r.want("agsauth.store.operation.duration", "op=unlock,outcome=success", 1, 0)
				}
				if setAside {
					require.NoError(t, asider.SetAside(t.Context(), "damaged"))
					r.want("agsauth.store.operation.duration", "op=set_aside,outcome=success", 1, 0)
				}
				if notice {
					assert.Equal(t, []error{errNotice}, noticer.Notices())
				}
			})
		})
	}
}

func TestStore_Outcomes(t *testing.T) {
	errBoom := errors.New("boom")
	late := context.DeadlineExceeded // with which the Source ends a call whose time has passed
	for name, tt := range map[string]struct {
		cause error // of the end of the context, nil if that has not ended
		err   error
		want  string
	}{
		"it works":                         {nil, nil, "success"},
		"it works although ctx has ended":  {errBoom, nil, "success"},
		"nothing is stored":                {nil, fmt.Errorf("load: %w", fs.ErrNotExist), "success"},
		"there is no lock":                 {nil, errors.ErrUnsupported, "success"},
		"another record is stored":         {nil, fmt.Errorf("save: %w", fs.ErrExist), "conflict"},
		"it fails":                         {nil, errBoom, "failure"},
		"it has a timeout of its own":      {nil, context.DeadlineExceeded, "failure"},
		"its time has passed":              {late, context.DeadlineExceeded, "timeout"},
		"its time has passed, it is vague": {late, errBoom, "timeout"},
		"the call was ended":               {errBoom, errBoom, "canceled"},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, r *rig) {
				inner := withMethods(true, true, false, func() error {
					time.Sleep(3 * time.Second)
					return tt.err
				})
				s := r.telemetry.Instrument(tokensource.Config{Store: inner}).Store
				ctx, cancel := context.WithCancelCause(t.Context())
				defer cancel(nil)
				if tt.cause != nil {
					cancel(tt.cause)
				}
				_, err := s.Load(ctx)
				require.Equal(t, tt.err, err)
				require.Equal(t, tt.err, s.Save(ctx, nil))
				require.Equal(t, tt.err, s.Delete(ctx))
				_, err = s.(tokensource.Locker).Lock(ctx)
				require.Equal(t, tt.err, err)
				for _, op := range []string{"load", "save", "delete", "lock"} {
					r.want("agsauth.store.operation.duration", "op="+op+",outcome="+tt.want, 1, 3)
				}
			})
		})
	}
}

// An unlock may run after the context of its Lock has ended. That says nothing about it.
func TestStore_AnUnlockThatFails(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		errs := []error{nil, errors.New("gone")}
		inner := withMethods(true, false, false, func() error {
			err := errs[0]
			errs = errs[1:]
			return err
		})
		ctx, cancel := context.WithCancel(t.Context())
		unlock, err := r.telemetry.Instrument(tokensource.Config{Store: inner}).Store.(tokensource.Locker).Lock(ctx)
		require.NoError(t, err)
		cancel()
		require.EqualError(t, unlock(), "gone")
		r.want("agsauth.store.operation.duration", "op=unlock,outcome=failure", 1, 0)
	})
}

func TestStore_ACallThatPanicsIsAFailure(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		inner := withMethods(false, false, false, func() error { panic("the store's") })
		s := r.telemetry.Instrument(tokensource.Config{Store: inner}).Store
		assert.PanicsWithValue(t, "the store's", func() { _, _ = s.Load(t.Context()) })
		r.want("agsauth.store.operation.duration", "op=load,outcome=failure", 1, 0)
	})
}

// Durations are measured by the clock of the Config, and not by one that can be set.
func TestStore_MeasuresByTheClockOfTheConfig(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		fake := clock.NewFake(time.Date(2022, 6, 10, 15, 0, 0, 0, time.UTC))
		slow := withMethods(false, false, false, func() error {
			fake.Advance(2 * time.Second)
			fake.Suspend(time.Hour)
			return nil
		})
		s := r.telemetry.Instrument(tokensource.Config{Store: slow, Clock: fake}).Store
		require.NoError(t, s.Save(t.Context(), nil))
		r.want("agsauth.store.operation.duration", "op=save,outcome=success", 1, 2)
	})
}

// A Source works with an instrumented store as with the inner one.
func TestStore_ASourceSharesItsSession(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		disk := &store.Memory{}
		first := r.source(func(cfg *tokensource.Config) { cfg.Store = disk })
		second := r.source(func(cfg *tokensource.Config) { cfg.Store = disk.Peer() })
		for range 24 {
			require.NoError(t, ask(t.Context(), first))
			require.NoError(t, ask(t.Context(), second))
			time.Sleep(time.Hour)
		}
		r.want("agsauth.refresh.duration", "outcome=success", 23, 0) // one an hour for both
		r.want("agsauth.login.duration", "outcome=success", 1, 0)
	})
}
