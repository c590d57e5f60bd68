package store_test

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/store"
)

func TestKey_Parse(t *testing.T) {
	raw := bytes.Repeat([]byte{0xfb, 0xff, 0x01, 0x3e}, 8) // contains both characters that differ between the alphabets
	want, err := store.NewKey(raw)
	require.NoError(t, err)
	standard := base64.StdEncoding.EncodeToString(raw)
	for name, text := range map[string]string{
		"as openssl prints it": standard + "\n",
		"without padding":      base64.RawStdEncoding.EncodeToString(raw),
		"for URLs":             base64.URLEncoding.EncodeToString(raw),
		"for URLs, no padding": base64.RawURLEncoding.EncodeToString(raw),
		"in space":             " \t" + standard + "\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			key, err := store.ParseKey(text)
			require.NoError(t, err)
			assert.Equal(t, want.ID(), key.ID())
		})
	}
}

func TestKey_Invalid(t *testing.T) {
	secret := strings.Repeat("secret", 10)
	for name, text := range map[string]string{
		"nothing":       "",
		"not base64":    secret + "*",
		"in two parts":  secret[:20] + "\n \n" + secret[20:],
		"hexadecimal":   strings.Repeat("5ec7e7", 11)[:64],
		"too short":     base64.StdEncoding.EncodeToString(rawKey(1)[:31]),
		"too long":      base64.StdEncoding.EncodeToString(append(rawKey(1), 1)),
		"trailing bits": strings.Repeat("A", 42) + "B",
	} {
		t.Run(name, func(t *testing.T) {
			key, err := store.ParseKey(text)
			require.ErrorContains(t, err, "store: key: ")
			assert.NotContains(t, err.Error(), "secret")
			assert.NotContains(t, err.Error(), "5ec7e7")
			assert.True(t, key.IsZero())
		})
	}
	for _, n := range []int{0, 16, 24, 31, 33, 64} {
		key, err := store.NewKey(make([]byte, n))
		require.ErrorContains(t, err, fmt.Sprintf("%d bytes, and not 32", n))
		assert.True(t, key.IsZero())
	}
}

func TestKey_ID(t *testing.T) {
	key := keyOf(t, 1)
	assert.Equal(t, "56ebb521add4d43b", key.ID(), "it never changes")
	assert.NotEqual(t, key.ID(), keyOf(t, 2).ID())
	assert.Empty(t, store.Key{}.ID())
	assert.Equal(t, "[key 56ebb521add4d43b]", key.String())
	assert.Equal(t, "[no key]", store.Key{}.String())
}

func TestKey_CopiesBytes(t *testing.T) {
	raw := rawKey(1)
	key, err := store.NewKey(raw)
	require.NoError(t, err)
	clear(raw)
	s := &store.Sealed{Store: memoryWith(t, golden(t)), Name: "dave", Keys: []store.Key{key}}
	data, err := s.Load(t.Context())
	require.NoError(t, err)
	assert.Equal(t, goldenRecord, string(data))
}
