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
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/store"
)

// What is stored shows nothing of the record, and never the same twice.
func TestSealed_WhatIsStored(t *testing.T) {
	const record = `{"access_token":"record-one"}`
	one, two := sealOne(t, record), sealOne(t, record)
	assert.NotEqual(t, one, two)
	for _, sealed := range [][]byte{one, two} {
		assert.Len(t, sealed, len(record)+59)
		assert.True(t, strings.HasPrefix(string(sealed), "agsauth-sealed\x01"), "says what it is to who looks at it")
		for _, secret := range []string{"record-one", "access_token", "dave", string(rawKey(1))} {
			assert.NotContains(t, string(sealed), secret)
		}
	}
}

// golden is a record that was sealed when the format was made.
func golden(tb testing.TB) []byte {
	tb.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "sealed", "v1.hex"))
	require.NoError(tb, err)
	data, err := hex.DecodeString(strings.Join(strings.Fields(string(text)), ""))
	require.NoError(tb, err)
	return data
}

const goldenRecord = `{"version":1,"generation":7,"access_token":"record-one"}`

// What was sealed once opens for good.
func TestSealed_OldRecordsOpen(t *testing.T) {
	data, err := sealedOver(t, put(t, golden(t)), 1).Load(t.Context())
	require.NoError(t, err)
	assert.Equal(t, goldenRecord, string(data))
}

// The format is what the documentation says, and can be opened without this
// package.
func TestSealed_FormatByHand(t *testing.T) {
	for name, sealed := range map[string][]byte{"old": golden(t), "new": sealOne(t, goldenRecord)} {
		t.Run(name, func(t *testing.T) {
			mac := func(of string) []byte {
				h := hmac.New(sha256.New, rawKey(1))
				h.Write([]byte(of))
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

// No change of what is stored is accepted, nor any part of it. Only a header that
// names another key, another name, or a newer format makes it anybody else's.
func TestSealed_Tampered(t *testing.T) {
	const version, header = 14, 31
	sealed := sealOne(t, "record-one")
	for i := range sealed {
		for _, flip := range []byte{1, 0x80, 0xff} {
			changed := bytes.Clone(sealed)
			changed[i] ^= flip
			s := sealedOver(t, put(t, changed), 1)
			switch {
			case i == version && changed[i] > 1, i > version && i < header:
				assertClosed(t, s, "the record ")
			default:
				assertDamaged(t, s)
			}
		}
	}
	for i := range sealed {
		assertDamaged(t, sealedOver(t, put(t, sealed[:i]), 1))
		assertDamaged(t, sealedOver(t, put(t, sealed[i+1:]), 1))
	}
	assertDamaged(t, sealedOver(t, put(t, append(bytes.Clone(sealed), 0)), 1))
}

// Each kind of record that does not open is told from the others.
func TestSealed_SaysWhy(t *testing.T) {
	sealed := sealOne(t, "record-one")
	at := func(i int, b byte) []byte {
		changed := bytes.Clone(sealed)
		changed[i] = b
		return changed
	}
	for _, tt := range []struct {
		name, why string
		damaged   bool
		stored    []byte
		keys      []byte
	}{
		{"another key", "sealed with the key " + keyOf(t, 1).ID() + ", which is none of Keys", false, sealed, []byte{2, 3}},
		{"never sealed", "is not sealed", false, []byte(`{"version":1,"access_token":"record-one"}`), []byte{1}},
		{"neither sealed nor a record", "it is not sealed, and no JSON object", true, []byte("record-one"), []byte{1}},
		{"nothing in it", "nothing but zero bytes", true, nil, []byte{1}},
		{"a newer format", "by a newer version of this library, in format 2", false, at(14, 2), []byte{1}},
		{"a newer format, cut off", "by a newer version of this library, in format 2", false, at(14, 2)[:15], []byte{1}},
		{"no format", "damaged", true, at(14, 0), []byte{1}},
		{"cut off behind the magic", "cut short", true, sealed[:14], []byte{1}},
		{"another byte in the middle", "damaged, or was changed", true, at(50, sealed[50]+1), []byte{1}},
		{"cut off", "damaged, or was changed", true, sealed[:len(sealed)-1], []byte{1}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := sealedOver(t, unbounded{tt.stored}, tt.keys...)
			_, err := s.Load(t.Context())
			assertRefused(t, err, tt.why, tt.damaged)
			assertRefused(t, s.Save(t.Context(), []byte("record-two")), tt.why, tt.damaged)
		})
	}
	t.Run("another name", func(t *testing.T) {
		s := sealedOver(t, put(t, sealed), 1)
		s.Name = "eve"
		assertClosed(t, s, "sealed under another name")
	})
}

// unbounded is a store of one record, of any size, over which everything can be
// saved.
type unbounded struct{ data []byte }

func (u unbounded) Load(context.Context) ([]byte, error) { return u.data, nil }
func (unbounded) Save(context.Context, []byte) error     { return nil }
func (unbounded) Delete(context.Context) error           { return nil }

// A record cannot be put in another one's place by giving the two the same header.
func TestSealed_NameIsBoundToTheRecord(t *testing.T) {
	var m store.Memory
	eve := &store.Sealed{Store: &m, Name: "eve", Keys: []store.Key{keyOf(t, 1)}}
	require.NoError(t, eve.Save(t.Context(), []byte("record-two")))
	forged := append(sealOne(t, "record-one")[:31], bytesOf(t, &m)[31:]...)
	assertDamaged(t, sealedOver(t, put(t, forged), 1))
}

// Whatever is stored, it opens if it was sealed, and is refused if not.
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
		var says interface{ Damaged() bool }
		require.ErrorAs(t, err, &says)
		assertRefused(t, err, "the record ", says.Damaged())
	})
}
