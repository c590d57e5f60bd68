package ags

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"sync"
)

// secretMask covers what a [Secret] holds, so that something that prints memory by reflection
// does not print it. It keeps nothing from whoever can read the process's memory, where
// the keys are too.
type secretMask struct {
	block cipher.Block
	key   [sha256.Size]byte // of the digest that a value's own vector is made from
}

// processMask is the process's mask: equal values are covered equally, so that secrets can
// be compared.
var processMask = sync.OnceValue(newMask) //nolint:gochecknoglobals // one for the process, made when first needed

func newMask() *secretMask {
	var key [32]byte
	m := &secretMask{}
	_, _ = rand.Read(key[:])   // never fails
	_, _ = rand.Read(m.key[:]) // never fails
	m.block, _ = aes.NewCipher(key[:])
	return m
}

// mask returns value covered, behind a vector that follows from it.
func (m *secretMask) mask(value string) string {
	digest := hmac.New(sha256.New, m.key[:])
	digest.Write([]byte(value))
	out := make([]byte, aes.BlockSize+len(value))
	copy(out, digest.Sum(nil)[:aes.BlockSize])
	cipher.NewCTR(m.block, out[:aes.BlockSize]).XORKeyStream(out[aes.BlockSize:], []byte(value))
	return string(out)
}

// unmask returns what was covered.
func (m *secretMask) unmask(covered string) string {
	out := []byte(covered)
	cipher.NewCTR(m.block, out[:aes.BlockSize]).XORKeyStream(out[aes.BlockSize:], out[aes.BlockSize:])
	return string(out[aes.BlockSize:])
}
