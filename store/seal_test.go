package store_test

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/store"
)

// The stored bytes show nothing of the record, and differ each time.
func TestSealed_WhatIsStored(t *testing.T) {
	const record = `{"access_token":"record-one"}`
	one, two := sealRecord(t, record), sealRecord(t, record)
	assert.NotEqual(t, one, two)
	for _, sealed := range [][]byte{one, two} {
		assert.Len(t, sealed, len(record)+59)
		assert.True(t, strings.HasPrefix(string(sealed), "agsauth-sealed\x01"), "it can be recognized")
		for _, secret := range []string{"record-one", "access_token", "dave", string(rawKey(1))} {
			assert.NotContains(t, string(sealed), secret)
		}
	}
}

// golden returns a record that was sealed by the first version of this package.
func golden(tb testing.TB) []byte {
	tb.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "sealed", "v1.hex"))
	require.NoError(tb, err)
	data, err := hex.DecodeString(strings.Join(strings.Fields(string(text)), ""))
	require.NoError(tb, err)
	return data
}

const goldenRecord = `{"version":1,"generation":7,"access_token":"record-one"}`

// Old records open with all later versions.
func TestSealed_OldRecordsOpen(t *testing.T) {
	data, err := sealedOver(t, memoryWith(t, golden(t)), 1).Load(t.Context())
	require.NoError(t, err)
	assert.Equal(t, goldenRecord, string(data))
}

// The format can be opened without this package.
func TestSealed_Format(t *testing.T) {
	for name, sealed := range map[string][]byte{"old": golden(t), "new": sealRecord(t, goldenRecord)} {
		t.Run(name, func(t *testing.T) {
			mac := func(text string) []byte {
				h := hmac.New(sha256.New, rawKey(1))
				h.Write([]byte(text))
				return h.Sum(nil)[:8]
			}
			header := append([]byte("agsauth-sealed\x01"), mac("agsauth store: key\x00")...)
			header = append(header, mac("agsauth store: name\x00dave")...)
			require.Equal(t, header, sealed[:31])

			block, err := aes.NewCipher(rawKey(1))
			require.NoError(t, err)
			gcm, err := cipher.NewGCM(block)
			require.NoError(t, err)
			record, err := gcm.Open(nil, sealed[31:43], sealed[43:], append(header, "dave"...))
			require.NoError(t, err)
			assert.Equal(t, goldenRecord, string(record))
		})
	}
}

// No change of the stored bytes is accepted. The record is left alone only if the header
// names another key, another name or a newer format.
func TestSealed_Tampered(t *testing.T) {
	const version, header = 14, 31
	sealed := sealRecord(t, "record-one")
	for i := range sealed {
		for _, flip := range []byte{1, 0x80, 0xff} {
			changed := bytes.Clone(sealed)
			changed[i] ^= flip
			s := sealedOver(t, memoryWith(t, changed), 1)
			leftAlone := i == version && changed[i] > 1 || i > version && i < header
			assertNotOpened(t, s, "the record ", !leftAlone)
		}
	}
	for i := range sealed {
		assertNotOpened(t, sealedOver(t, memoryWith(t, sealed[:i]), 1), "damaged", true)
		assertNotOpened(t, sealedOver(t, memoryWith(t, sealed[i+1:]), 1), "damaged", true)
	}
	assertNotOpened(t, sealedOver(t, memoryWith(t, append(bytes.Clone(sealed), 0)), 1), "damaged", true)
}

// A record that does not open is left alone or damaged. Neither is overwritten; after a
// damaged one is set aside, a new record can be saved.
func TestSealed_DoesNotOpen(t *testing.T) {
	const header = 31
	sealed := sealRecord(t, "record-one")
	at := func(i int, b byte) []byte { return slices.Replace(bytes.Clone(sealed), i, i+1, b) }
	zeroedFrom := func(i int) []byte { return append(bytes.Clone(sealed[:i]), make([]byte, len(sealed)-i)...) }
	for _, tt := range []struct {
		name, reason string
		damaged      bool
		stored, keys []byte
	}{
		{"another key", "sealed with the key " + keyOf(t, 1).ID() + ", which is none of Keys", false, sealed, []byte{2, 3}},
		{"another key, cut short", "which is none of Keys", false, append(bytes.Clone(sealed[:58]), 1), []byte{2}},
		{"JSON object", "is not sealed", false, []byte(`{"version":1,"access_token":"record-one"}`), []byte{1}},
		{"JSON object in white space", "is not sealed", false, []byte(" {\"access_token\":\"record-one\"}\n"), []byte{1}},
		{"empty JSON object", "is not sealed", false, []byte("{}"), []byte{1}},
		{"newer format", "by a newer version of this library, in format 2", false, at(14, 2), []byte{1}},
		{"newer format, cut short", "by a newer version of this library, in format 2", false, at(14, 2)[:15], []byte{1}},
		{"zero length", "nothing but zero bytes", true, []byte{}, []byte{1}},
		{"zero bytes", "nothing but zero bytes", true, make([]byte, len(sealed)), []byte{1}},
		{"zero bytes after the header", "nothing but zero bytes", true, zeroedFrom(header), []byte{1}},
		{"zero bytes at the end", "damaged, or was changed", true, zeroedFrom(40), []byte{1}},
		{"zero bytes as header", "damaged", true, append(make([]byte, header), sealed[header:]...), []byte{1}},
		{"neither sealed nor JSON", "it is not sealed, and no JSON object", true, []byte("record-one"), []byte{1}},
		{"half a JSON object", "it is not sealed, and no JSON object", true, []byte(`{"access_token":"record-`), []byte{1}},
		{"JSON array", "it is not sealed, and no JSON object", true, []byte(`["record-one"]`), []byte{1}},
		{"format 0", "damaged", true, at(14, 0), []byte{1}},
		{"part of the magic", "cut short", true, sealed[:9], []byte{1}},
		{"magic", "cut short", true, sealed[:14], []byte{1}},
		{"header", "cut short", true, sealed[:header], []byte{1}},
		{"first half", "cut short", true, sealed[:len(sealed)/2], []byte{1}},
		{"all but the last byte", "damaged, or was changed", true, sealed[:len(sealed)-1], []byte{1}},
		{"changed byte", "damaged, or was changed", true, at(50, sealed[50]+1), []byte{1}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := memoryWith(t, tt.stored)
			s := sealedOver(t, m, tt.keys...)
			assertNotOpened(t, s, tt.reason, tt.damaged)
			if !tt.damaged {
				return
			}
			require.NoError(t, s.SetAside(t.Context(), "damaged"))
			require.NoError(t, s.Save(t.Context(), []byte("record-two")))
			assertSealed(t, m, 1, "record-two")
			assert.Equal(t, map[string][]byte{"damaged": tt.stored}, m.Aside())
		})
	}
}

// unbounded is a store of one record of any size. Save always succeeds.
type unbounded struct{ data []byte }

func (u unbounded) Load(context.Context) ([]byte, error) { return u.data, nil }
func (unbounded) Save(context.Context, []byte) error     { return nil }
func (unbounded) Delete(context.Context) error           { return nil }

// A record cannot replace one of another name, even with the header of the latter.
func TestSealed_NameIsBoundToTheRecord(t *testing.T) {
	eve := sealedOver(t, memoryWith(t, sealRecord(t, "record-one")), 1)
	eve.Name = "eve"
	assertNotOpened(t, eve, "sealed under another name", false)

	var m store.Memory
	eve.Store = &m
	require.NoError(t, eve.Delete(t.Context())) // so that it may save
	require.NoError(t, eve.Save(t.Context(), []byte("record-two")))
	forged := append(sealRecord(t, "record-one")[:31], storedBytes(t, &m)[31:]...)
	assertNotOpened(t, sealedOver(t, memoryWith(t, forged), 1), "damaged", true)
}

// Only a sealed record opens.
func FuzzSealedOpen(f *testing.F) {
	sealed := golden(f)
	f.Add(sealed)
	f.Add(sealed[:59])
	f.Add([]byte(goldenRecord))
	f.Add([]byte("agsauth-sealed\x02"))
	f.Fuzz(func(t *testing.T, stored []byte) {
		s := sealedOver(t, unbounded{stored}, 2, 1)
		data, err := s.Load(t.Context())
		if bytes.Equal(stored, sealed) {
			require.NoError(t, err)
			require.Equal(t, goldenRecord, string(data))
			return
		}
		require.Nil(t, data)
		var recordErr interface{ Damaged() bool }
		require.ErrorAs(t, err, &recordErr)
		assertErrNotOpened(t, err, "the record ", recordErr.Damaged())
	})
}
