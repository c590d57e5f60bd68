package store_test

import (
	"bytes"
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

// Printing a store does not print the record. The report of a failed assertion calls no
// methods and follows pointers.
func TestPrintedWithoutRecord(t *testing.T) {
	f := &store.File{Path: recordPath(t)}
	var m store.Memory
	require.NoError(t, f.Save(t.Context(), []byte("record-one")))
	require.NoError(t, m.Save(t.Context(), []byte("record-one")))
	require.NoError(t, m.Peer().SetAside(t.Context(), "damaged"))
	require.NoError(t, m.Peer().Save(t.Context(), []byte("record-one")))
	holder := struct{ file, memory any }{f, &m}
	var reported bytes.Buffer
	another := &store.File{Path: "another"}
	for _, pair := range [][2]any{
		{f, another},
		{&m, &store.Memory{}},
		{struct{ file, memory any }{another, 1}, holder},
		{[]any{f, &m}, []any{}},
		{sealedOver(t, &m, 1), &store.Sealed{}},
	} {
		assert.Equal(report{&reported}, pair[0], pair[1])
	}
	assert.Contains(t, reported.String(), "store.Memory")
	for _, form := range []string{"record-one", "114, 101, 99", "72 65 63 6f", "0x72, 0x65"} {
		assert.NotContains(t, reported.String(), form)
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%q", "%d"} {
		for _, value := range []any{f, &m, holder, &holder, []any{f, &m}} {
			printed := fmt.Sprintf(verb, value)
			assert.NotContains(t, printed, "record-one")
			assert.NotContains(t, printed, fmt.Sprintf("%x", "record-one"))
			assert.NotContains(t, printed, "114 101 99", "as numbers")
			assert.NotContains(t, printed, "72 65 63")
		}
	}
}
