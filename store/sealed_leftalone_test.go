package store_test

import (
	"context"
	"errors"
	"io/fs"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/store"
)

// A record that did not open is left alone until Load finds another one or nothing, or
// the record is deleted or set aside.
func TestSealed_LeftAlone(t *testing.T) {
	ctx := t.Context()
	load := func(s *store.Sealed) error { _, err := s.Load(ctx); return err }
	replace := func(m *store.Memory) error {
		return errors.Join(m.Delete(ctx), sealedOver(t, m, 2).Save(ctx, []byte("record-one")))
	}
	for name, tt := range map[string]struct {
		then  func(m *store.Memory, s *store.Sealed) error
		want  error
		saves bool
	}{
		"no change":            {func(*store.Memory, *store.Sealed) error { return nil }, nil, false},
		"loaded again":         {func(_ *store.Memory, s *store.Sealed) error { return load(s) }, store.ErrNotOpened, false},
		"replaced, not loaded": {func(m *store.Memory, _ *store.Sealed) error { return replace(m) }, nil, false},
		"replaced":             {func(m *store.Memory, s *store.Sealed) error { return errors.Join(replace(m), load(s)) }, nil, true},
		"deleted by another": {
			func(m *store.Memory, s *store.Sealed) error { return errors.Join(m.Delete(ctx), load(s)) }, fs.ErrNotExist, true,
		},
		"deleted":   {func(_ *store.Memory, s *store.Sealed) error { return s.Delete(ctx) }, nil, true},
		"set aside": {func(_ *store.Memory, s *store.Sealed) error { return s.SetAside(ctx, "lost-key") }, nil, true},
	} {
		t.Run(name, func(t *testing.T) {
			m := memoryWith(t, sealRecord(t, "record-one"))
			s := sealedOver(t, m.Peer(), 2)
			assertNotOpened(t, s, "none of Keys", false)
			require.ErrorIs(t, tt.then(m.Peer(), s), tt.want)
			before, _ := m.Peer().Load(ctx)
			if err := s.Save(ctx, []byte("record-two")); tt.saves {
				require.NoError(t, err)
				assertSealed(t, m, 2, "record-two")
			} else {
				assertErrNotOpened(t, err, "left alone", false)
				assert.Equal(t, before, storedBytes(t, m))
			}
		})
	}
}

// The record is also left alone after a Load that fails for another reason.
func TestSealed_LeftAloneAfterFailedLoad(t *testing.T) {
	inner := &failingLoad{Store: memoryWith(t, sealRecord(t, "record-one"))}
	s := sealedOver(t, inner, 2)
	assertNotOpened(t, s, "none of Keys", false)
	inner.err = errors.New("connection refused")
	_, err := s.Load(t.Context())
	require.Equal(t, inner.err, err)
	assertErrNotOpened(t, s.Save(t.Context(), []byte("record-two")), "left alone", false)
}

// failingLoad is a store whose Load fails while err is set.
type failingLoad struct {
	store.Store
	err error
}

func (s *failingLoad) Load(ctx context.Context) ([]byte, error) {
	if s.err != nil {
		return nil, s.err
	}
	return s.Store.Load(ctx)
}

// A Save during a Load that does not open the record waits for it. Otherwise the inner
// store would have loaded the record, and Save would replace it.
func TestSealed_SaveDuringALoadThatDoesNotOpen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := memoryWith(t, sealRecord(t, "record-one"))
		before := storedBytes(t, m)
		inner := &blockingLoad{Memory: m.Peer(), loaded: make(chan struct{})}
		s := sealedOver(t, inner, 2)
		var both sync.WaitGroup
		both.Go(func() {
			_, err := s.Load(t.Context())
			assertErrNotOpened(t, err, "none of Keys", false)
		})
		synctest.Wait()
		both.Go(func() { assertErrNotOpened(t, s.Save(t.Context(), []byte("record-two")), "left alone", false) })
		both.Go(func() { assert.Equal(t, context.DeadlineExceeded, s.Save(briefly(t), []byte("record-two"))) })
		time.Sleep(2 * briefWait)
		synctest.Wait()
		close(inner.loaded)
		both.Wait()
		assert.Equal(t, before, storedBytes(t, m))
	})
}

// blockingLoad is a store whose Load returns after loaded is closed.
type blockingLoad struct {
	*store.Memory
	loaded chan struct{}
}

func (s *blockingLoad) Load(ctx context.Context) ([]byte, error) {
	data, err := s.Memory.Load(ctx)
	<-s.loaded
	return data, err
}
