package store_test

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/store"
)

// What a power cut leaves of a record is damaged. Save overwrites it as little as any
// other that does not open; once it is set aside a session begins anew.
func TestSealed_DamagedIsSetAside(t *testing.T) {
	sealed := sealOne(t, "record-one")
	for name, left := range map[string][]byte{
		"empty":                    {},
		"zero bytes":               make([]byte, len(sealed)),
		"the first half":           sealed[:len(sealed)/2],
		"the header alone":         sealed[:31],
		"part of the magic":        sealed[:9],
		"all but the last byte":    sealed[:len(sealed)-1],
		"zero bytes at the end":    append(bytes.Clone(sealed[:40]), make([]byte, len(sealed)-40)...),
		"zero bytes for a content": append(bytes.Clone(sealed[:31]), make([]byte, len(sealed)-31)...),
		"zero bytes for a header":  append(make([]byte, 31), sealed[31:]...),
		"garbage":                  []byte("record-one"),
		"half a JSON object":       []byte(`{"access_token":"record-`),
		"no JSON object":           []byte(`["record-one"]`),
	} {
		t.Run(name, func(t *testing.T) {
			m := put(t, left)
			s := sealedOver(t, m, 1)
			assertDamaged(t, s)
			require.NoError(t, s.SetAside(t.Context(), "damaged"))
			require.NoError(t, s.Save(t.Context(), []byte("record-two")))
			assertSealed(t, m, 1, "record-two")
			assert.Equal(t, map[string][]byte{"damaged": left}, m.Aside())
		})
	}
}

// What a neighbour may have use for is not damaged, however little we have.
func TestSealed_ANeighboursIsNotDamaged(t *testing.T) {
	sealed := sealOne(t, "record-one")
	newer := bytes.Clone(sealed)
	newer[14]++
	for name, s := range map[string]*store.Sealed{
		"another key":                sealedOver(t, put(t, sealed), 2),
		"another name":               {Store: put(t, sealed), Name: "eve", Keys: []store.Key{keyOf(t, 1)}},
		"a newer format":             sealedOver(t, put(t, newer), 1),
		"a JSON object, not sealed":  sealedOver(t, put(t, []byte(" {\"access_token\":\"record-one\"}\n")), 1),
		"another key, bytes changed": sealedOver(t, put(t, append(bytes.Clone(sealed[:58]), 1)), 2),
		"an empty JSON object":       sealedOver(t, put(t, []byte("{}")), 1),
	} {
		t.Run(name, func(t *testing.T) { assertClosed(t, s, "the record ") })
	}
}
