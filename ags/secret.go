package ags

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"io"
	"sync"
)

// redacted is printed in place of a secret.
const redacted = "[redacted]"

// Secret holds a value that must not be printed, such as a token. It prints as
// "[redacted]" with every verb of fmt, in JSON, XML and text, and with log/slog.
// The zero value is the empty secret.
//
// Secrets are immutable and safe for concurrent use. Do not compare them with
// ==, which compares addresses; reflect.DeepEqual compares the values.
type Secret struct {
	// The value is masked because some printers call no methods and follow
	// pointers, such as testify's assert.Equal. It is a pointer because fmt calls
	// no methods on unexported fields, and prints the address of a pointer there.
	masked *string
}

// NewSecret returns a secret that holds value.
func NewSecret(value string) Secret {
	if value == "" {
		return Secret{}
	}
	return Secret{masked: new(processMask().mask(value))}
}

// Reveal returns the value. The library calls it only where a secret is sent or
// stored.
func (s Secret) Reveal() string {
	if s.masked == nil {
		return ""
	}
	return processMask().unmask(*s.masked)
}

// IsZero reports whether the secret is empty.
func (s Secret) IsZero() bool { return s.masked == nil }

// String returns "[redacted]".
func (Secret) String() string { return redacted }

// GoString returns "[redacted]".
func (Secret) GoString() string { return redacted }

// Format writes "[redacted]" for every verb.
func (Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// MarshalText returns "[redacted]" and a nil error.
func (Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// secretMask masks the values of secrets against printers that use reflection. It
// does not protect them from code that reads the process's memory, where the key is.
type secretMask struct {
	block cipher.Block
	ivKey [sha256.Size]byte
}

// processMask returns the mask of this process. All secrets share it, so that
// equal values have equal masked forms and reflect.DeepEqual works.
var processMask = sync.OnceValue(newSecretMask) //nolint:gochecknoglobals // a random key, shared by all secrets of the process

func newSecretMask() *secretMask {
	var key [32]byte
	m := &secretMask{}
	_, _ = rand.Read(key[:])     // never fails
	_, _ = rand.Read(m.ivKey[:]) // never fails
	m.block, _ = aes.NewCipher(key[:])
	return m
}

// mask returns the masked value, behind an initialization vector derived from it.
func (m *secretMask) mask(value string) string {
	digest := hmac.New(sha256.New, m.ivKey[:])
	digest.Write([]byte(value))
	out := make([]byte, aes.BlockSize+len(value))
	copy(out, digest.Sum(nil)[:aes.BlockSize])
	cipher.NewCTR(m.block, out[:aes.BlockSize]).XORKeyStream(out[aes.BlockSize:], []byte(value))
	return string(out)
}

// unmask returns the value that mask was given.
func (m *secretMask) unmask(masked string) string {
	out := []byte(masked)
	cipher.NewCTR(m.block, out[:aes.BlockSize]).XORKeyStream(out[aes.BlockSize:], out[aes.BlockSize:])
	return string(out[aes.BlockSize:])
}
