package store

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"
)

const (
	// keySize is the size of a key, in bytes: AES-256.
	keySize = 32
	// tagSize is the size of the tags that identify the key and the name in a header.
	// If two tags are equal by chance, decryption fails.
	tagSize = 8
)

type tag [tagSize]byte

// The tags of keys and of names are computed in separate domains, so that no tag of a
// name equals the tag of the key.
const (
	keyDomain  = "agsauth store: key\x00"
	nameDomain = "agsauth store: name\x00"
)

// Key is an encryption key of a [Sealed], 32 random bytes. With all verbs of fmt, in
// JSON, as text and in log/slog it prints only its [Key.ID]. The zero Key is no key.
// Keys are immutable and safe for concurrent use.
type Key struct{ secret *keySecret }

// keySecret holds a key. It is behind a pointer since fmt follows no pointers in the
// unexported fields of a struct, and the key itself is only in functions since printers
// that follow pointers print no functions.
type keySecret struct {
	id      tag
	nameTag func(name string) tag
	// seal and open are those of an AEAD that generates nonces; nonce is nil.
	seal func(dst, nonce, plaintext, additionalData []byte) []byte
	open func(dst, nonce, ciphertext, additionalData []byte) ([]byte, error)
}

// NewKey returns a key with a copy of the 32 bytes of raw. They must be random, for
// example from crypto/rand; do not use a password.
func NewKey(raw []byte) (Key, error) {
	if len(raw) != keySize {
		return Key{}, fmt.Errorf("store: key: it has %d bytes, and not %d", len(raw), keySize)
	}
	block, err := aes.NewCipher(raw)
	if err != nil {
		return Key{}, fmt.Errorf("store: key: %w", err)
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return Key{}, fmt.Errorf("store: key: %w", err)
	}
	own := [keySize]byte(raw)
	tagOf := func(domain, text string) tag {
		mac := hmac.New(sha256.New, own[:])
		_, _ = io.WriteString(mac, domain+text)
		return tag(mac.Sum(nil)[:tagSize])
	}
	return Key{&keySecret{
		id:      tagOf(keyDomain, ""),
		nameTag: func(name string) tag { return tagOf(nameDomain, name) },
		seal:    aead.Seal,
		open:    aead.Open,
	}}, nil
}

// ParseKey decodes a key from base64, such as the output of
//
//	openssl rand -base64 32
//
// It accepts the standard and the URL alphabet, with or without padding, and ignores
// white space around the text. Its errors contain nothing of the text.
func ParseKey(text string) (Key, error) {
	text = strings.TrimRight(strings.TrimSpace(text), "=")
	text = strings.NewReplacer("-", "+", "_", "/").Replace(text)
	raw, err := base64.RawStdEncoding.Strict().DecodeString(text)
	if err != nil {
		return Key{}, errors.New("store: key: it is not base64")
	}
	return NewKey(raw)
}

// ID returns the identifier of the key in errors and in sealed records: 16 hexadecimal
// digits computed from the key by a one-way function. The ID of the zero Key is empty.
func (k Key) ID() string {
	if k.IsZero() {
		return ""
	}
	return hex.EncodeToString(k.secret.id[:])
}

// IsZero reports whether k is the zero Key.
func (k Key) IsZero() bool { return k.secret == nil }

// String returns "[key …]", with the key's ID.
func (k Key) String() string {
	if k.IsZero() {
		return "[no key]"
	}
	return "[key " + k.ID() + "]"
}

// GoString returns the same as String.
func (k Key) GoString() string { return k.String() }

// Format writes the result of String for every verb.
func (k Key) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, k.String()) }

// MarshalText returns the result of String. It never fails.
func (k Key) MarshalText() ([]byte, error) { return []byte(k.String()), nil }
