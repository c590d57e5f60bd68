package boundstore_test

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/cmd/agsauth/internal/boundstore"
	"github.com/agsauth/agsauth/store"
)

func TestStore_IsNotReadForAnotherGateway(t *testing.T) {
	inner := new(store.Memory)
	at := func(gateway, tenant string) *boundstore.Store {
		return &boundstore.Store{Store: inner.Peer(), Gateway: gateway, Tenant: tenant}
	}
	record := []byte(`{"version":1,"refresh_token":"r"}`)
	own := at("https://a.example", "t")
	require.NoError(t, own.Save(t.Context(), record))

	for _, same := range []*boundstore.Store{own, at("https://a.example/", "t")} {
		got, err := same.Load(t.Context())
		require.NoError(t, err)
		assert.Equal(t, record, got)
	}
	for _, other := range []*boundstore.Store{at("https://b.example", "t"), at("https://a.example", "u")} {
		_, err := other.Load(t.Context())
		require.ErrorIs(t, err, boundstore.ErrElsewhere)
		assert.ErrorContains(t, err, "https://a.example (tenant t)")
		leaveAlone, ok := errors.AsType[interface {
			error
			LeaveAlone() bool
		}](err)
		assert.True(t, ok && leaveAlone.LeaveAlone())
	}
}

func TestStore_TakesUpARecordWithoutGateway(t *testing.T) {
	inner := new(store.Memory)
	record := []byte(`{"version":1}`)
	require.NoError(t, inner.Peer().Save(t.Context(), record))
	first := &boundstore.Store{Store: inner.Peer(), Gateway: "https://a.example"}
	got, err := first.Load(t.Context())
	require.NoError(t, err)
	assert.Equal(t, record, got)
	require.NoError(t, first.Save(t.Context(), got))
	_, err = (&boundstore.Store{Store: inner.Peer(), Gateway: "https://b.example"}).Load(t.Context())
	assert.ErrorIs(t, err, boundstore.ErrElsewhere)
}

func TestStore_LeavesWhatIsNoRecordToTheReader(t *testing.T) {
	inner := new(store.Memory)
	require.NoError(t, inner.Peer().Save(t.Context(), []byte("damaged")))
	s := &boundstore.Store{Store: inner.Peer(), Gateway: "https://a.example"}
	got, err := s.Load(t.Context())
	require.NoError(t, err)
	assert.Equal(t, "damaged", string(got))
	assert.Error(t, s.Save(t.Context(), []byte("damaged")))
}

// bare is a store without the optional methods.
type bare struct{ store.Store }

func TestStore_HasTheOptionalMethodsOfTheInnerStore(t *testing.T) {
	ctx := context.Background()
	without := &boundstore.Store{Store: bare{new(store.Memory)}}
	_, err := without.Lock(ctx)
	require.ErrorIs(t, err, errors.ErrUnsupported)
	require.ErrorIs(t, without.SetAside(ctx, "x"), errors.ErrUnsupported)
	assert.Empty(t, without.Notices())

	with := &boundstore.Store{Store: &store.File{Path: t.TempDir() + "/session.json"}}
	unlock, err := with.Lock(ctx)
	require.NoError(t, err)
	require.NoError(t, unlock())
	require.NoError(t, with.Save(ctx, []byte(`{}`)))
	require.NoError(t, with.SetAside(ctx, "x"))
	assert.Empty(t, with.Notices())
	require.NoError(t, with.Delete(ctx))
}
