package proxy

import (
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/agsauth/agsauth/ags"
)

// minKey is the length of the shortest key that is accepted.
const minKey = 16

// NewKey returns a key that cannot be guessed.
func NewKey() ags.Secret { return ags.NewSecret(rand.Text()) }

// KeyFile returns the key in a file. If there is no such file, it makes one that only its
// owner can read, with a new key.
func KeyFile(path string) (ags.Secret, error) {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	switch {
	case errors.Is(err, fs.ErrExist):
		return readKey(path)
	case err != nil:
		return ags.Secret{}, fmt.Errorf("proxy: key file: %w", err)
	}
	key := NewKey()
	_, err = file.WriteString(key.Reveal() + "\n")
	if err = errors.Join(err, file.Close()); err != nil {
		return ags.Secret{}, fmt.Errorf("proxy: key file: %w", err)
	}
	return key, nil
}

func readKey(path string) (ags.Secret, error) {
	info, err := os.Stat(path)
	if err != nil {
		return ags.Secret{}, fmt.Errorf("proxy: key file: %w", err)
	}
	if mode := info.Mode().Perm(); runtime.GOOS != "windows" && mode&0o077 != 0 {
		return ags.Secret{}, &openToOthersError{"key file", path, mode, 0o600}
	}
	content, err := os.ReadFile(path)
	if err != nil {
		return ags.Secret{}, fmt.Errorf("proxy: key file: %w", err)
	}
	key := strings.TrimSpace(string(content))
	if len(key) < minKey || strings.ContainsFunc(key, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return ags.Secret{}, fmt.Errorf("proxy: the key file %s %w: it must have one line of at least %d printable ASCII characters; remove it, and one is made", path, ErrUnsafe, minKey)
	}
	return ags.NewSecret(key), nil
}

// TLSConfig returns the configuration for a listener with cert.pem and key.pem of a folder.
func TLSConfig(folder string) (*tls.Config, error) {
	certificate, err := tls.LoadX509KeyPair(filepath.Join(folder, "cert.pem"), filepath.Join(folder, "key.pem"))
	if err != nil {
		return nil, fmt.Errorf("proxy: the certificate cannot be used: %w; the folder must have cert.pem and key.pem", err)
	}
	return &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12}, nil
}
