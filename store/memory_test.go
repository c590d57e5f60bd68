package store_test

import (
	"fmt"
	"io/fs"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/store"
)

func TestMemory_ZeroValue(t *testing.T) {
	ctx := t.Context()
	_, err := (&store.Memory{}).Load(ctx)
	require.ErrorIs(t, err, fs.ErrNotExist)
	require.NoError(t, (&store.Memory{}).Save(ctx, []byte("record-one")))
	require.NoError(t, (&store.Memory{}).Delete(ctx))
	require.ErrorIs(t, (&store.Memory{}).SetAside(ctx, "damaged"), fs.ErrNotExist)
	assert.Empty(t, (&store.Memory{}).Aside())
	unlock, err := (&store.Memory{}).Lock(ctx)
	require.NoError(t, err)
	require.NoError(t, unlock())
}

func TestMemory_Peer(t *testing.T) {
	ctx := t.Context()
	var m store.Memory
	peer := m.Peer()
	require.NoError(t, m.Save(ctx, []byte("record-one")))
	require.ErrorIs(t, peer.Save(ctx, []byte("record-two")), fs.ErrExist)
	data, err := peer.Peer().Load(ctx)
	require.NoError(t, err)
	assert.Equal(t, "record-one", string(data))

	_, err = (&store.Memory{}).Load(ctx)
	require.ErrorIs(t, err, fs.ErrNotExist, "a new Memory has another record")
}

// Two Saves of the same bytes are different records.
func TestMemory_SaveOfSameBytes(t *testing.T) {
	ctx := t.Context()
	var m store.Memory
	peer := m.Peer()
	require.NoError(t, m.Save(ctx, []byte("record-one")))
	_, err := peer.Load(ctx)
	require.NoError(t, err)
	require.NoError(t, m.Save(ctx, []byte("record-one")))
	require.ErrorIs(t, peer.Save(ctx, []byte("record-two")), fs.ErrExist)
}

func TestMemory_Aside(t *testing.T) {
	ctx := t.Context()
	tests := []struct{ suffix, want string }{
		{"damaged", "damaged"},
		{"damaged", "damaged.1"},
		{"damaged", "damaged.2"},
		{"", "aside"},
		{"v2-Old_3", "v2-Old_3"},
		{"../../etc/passwd", "______etc_passwd"},
		{"2026-03-04T12:00:00Z", "2026-03-04T12_00_00Z"},
		{"azAZ09", "azAZ09"},
		{"`{@[/:", "______"},
		{"é", "_"},
		{"\xff", "_.1"},
		{strings.Repeat("x", 33), strings.Repeat("x", 32)},
		{strings.Repeat("x", 32), strings.Repeat("x", 32) + ".1"},
	}
	var m store.Memory
	peer, want := m.Peer(), map[string][]byte{}
	for i, tt := range tests {
		record := fmt.Appendf(nil, "record-%d", i)
		require.NoError(t, m.Save(ctx, record))
		require.NoError(t, m.SetAside(ctx, tt.suffix))
		want[tt.want] = record
		assert.Equal(t, want, peer.Aside(), "%q", tt.suffix)
	}
	require.NoError(t, m.Delete(ctx))
	for _, record := range m.Aside() {
		clear(record)
	}
	clear(m.Aside())
	assert.Equal(t, want, m.Aside(), "Aside returns a copy")
}

func TestMemory_RecordTooLarge(t *testing.T) {
	const limit = 1 << 20
	var m store.Memory
	require.NoError(t, m.Save(t.Context(), make([]byte, limit)))
	assertStoreError(t, m.Save(t.Context(), make([]byte, limit+1)))
	data, err := m.Load(t.Context())
	require.NoError(t, err)
	assert.Len(t, data, limit)
}
