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
	// tagSize is the size of what stands for a key, or a name, in a header. Eight
	// bytes do not meet by chance; and if they did, opening decides.
	tagSize = 8
)

type tag [tagSize]byte

// What a key is used for besides AES: each has a domain of its own, so that the
// tag of no name is the tag of the key.
const (
	keyDomain  = "agsauth store: key\x00"
	nameDomain = "agsauth store: name\x00"
)

// Key is what a [Sealed] seals and opens with: 32 bytes that nobody can guess. It
// has no name but what follows from the bytes, [Key.ID], and prints as that alone,
// with every verb of fmt, in JSON and text, and through log/slog. The zero Key is
// none. Keys are immutable and safe for concurrent use.
type Key struct{ uses *keyUses }

// keyUses is what can be done with a key. Behind a pointer it is nothing that fmt
// prints of a struct that holds a Key in an unexported field; and functions are
// where everything ends that follows pointers.
type keyUses struct {
	id      tag
	nameTag func(name string) tag
	// An AEAD's own, of one that draws its nonces itself: nonce is nil.
	seal func(dst, nonce, record, bound []byte) []byte
	open func(dst, nonce, body, bound []byte) ([]byte, error)
}

// NewKey returns the key that raw is, a copy of its 32 bytes. They must be random,
// as those of crypto/rand are: a password is no key.
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
	derive := func(domain, of string) tag {
		mac := hmac.New(sha256.New, own[:])
		_, _ = io.WriteString(mac, domain+of)
		return tag(mac.Sum(nil)[:tagSize])
	}
	return Key{&keyUses{
		id:      derive(keyDomain, ""),
		nameTag: func(name string) tag { return derive(nameDomain, name) },
		seal:    aead.Seal,
		open:    aead.Open,
	}}, nil
}

// ParseKey returns the key that text says in base64, as a line of
//
//	openssl rand -base64 32
//
// does. Either alphabet of base64 will do, padding may be left out, and space
// around it is ignored. No error says anything of the text.
func ParseKey(text string) (Key, error) {
	text = strings.TrimRight(strings.TrimSpace(text), "=")
	text = strings.NewReplacer("-", "+", "_", "/").Replace(text)
	raw, err := base64.RawStdEncoding.Strict().DecodeString(text)
	if err != nil {
		return Key{}, errors.New("store: key: it is not base64")
	}
	return NewKey(raw)
}

// ID returns what the key is called in errors and in the header of what it has
// sealed: 16 hexadecimal digits that follow from the key, and from which it does
// not follow. That of the zero Key is empty.
func (k Key) ID() string {
	if k.IsZero() {
		return ""
	}
	return hex.EncodeToString(k.uses.id[:])
}

// IsZero reports whether the key is none.
func (k Key) IsZero() bool { return k.uses == nil }

// String returns "[key …]", with the key's ID.
func (k Key) String() string {
	if k.IsZero() {
		return "[no key]"
	}
	return "[key " + k.ID() + "]"
}

// GoString returns what String does.
func (k Key) GoString() string { return k.String() }

// Format writes what String returns, whatever the verb.
func (k Key) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, k.String()) }

// MarshalText returns what String does, and never an error.
func (k Key) MarshalText() ([]byte, error) { return []byte(k.String()), nil }
