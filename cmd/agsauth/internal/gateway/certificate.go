package gateway

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/agsauth/agsauth/agstest"
	"github.com/agsauth/agsauth/cmd/agsauth/internal/exit"
)

// The names of the files of a certificate.
const (
	caFile   = "ca.pem"
	certFile = "cert.pem"
	keyFile  = "key.pem"
)

// caPath returns the path of the certificate that clients must trust, or nothing.
func (s Settings) caPath() string {
	if s.TLS == "" {
		return ""
	}
	path := filepath.Join(s.TLS, caFile)
	if absolute, err := filepath.Abs(path); err == nil {
		return absolute
	}
	return path
}

// certificateIn returns the certificate in a folder. It makes one for the given hosts if
// the folder has no file of it.
func certificateIn(dir string, hosts []string) (*agstest.Certificate, error) {
	c, err := readCertificate(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return makeCertificate(dir, hosts)
	}
	if err != nil {
		return nil, err
	}
	if err := c.Check(time.Now(), hosts...); err != nil {
		return nil, exit.Usagef("tls: %s: %w; remove %s, %s and %s there, and they are made anew", dir, err, caFile, certFile, keyFile)
	}
	return c, nil
}

// readCertificate reads the files of a certificate. If there is none of them, the error
// is [fs.ErrNotExist].
func readCertificate(dir string) (*agstest.Certificate, error) {
	var c agstest.Certificate
	missing := ""
	found := 0
	for name, to := range map[string]*[]byte{caFile: &c.CA, certFile: &c.Cert, keyFile: &c.Key} {
		content, err := os.ReadFile(filepath.Join(dir, name))
		switch {
		case err == nil:
			*to = content
			found++
		case errors.Is(err, fs.ErrNotExist):
			missing = name
		default:
			return nil, exit.Usagef("tls: %w", err)
		}
	}
	switch {
	case found == 0:
		return nil, fs.ErrNotExist
	case missing != "":
		return nil, exit.Usagef("tls: %s has no %s; add it, or remove the other files, and they are made anew", dir, missing)
	}
	return &c, nil
}

// makeCertificate makes a certificate and writes its files. It overwrites none.
func makeCertificate(dir string, hosts []string) (*agstest.Certificate, error) {
	c, err := agstest.NewCertificate(hosts...)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("tls: %w", err)
	}
	for _, f := range []struct {
		name    string
		content []byte
		mode    fs.FileMode
	}{{keyFile, c.Key, 0o600}, {certFile, c.Cert, 0o644}, {caFile, c.CA, 0o644}} {
		if err := create(filepath.Join(dir, f.name), f.content, f.mode); err != nil {
			return nil, fmt.Errorf("tls: %w", err)
		}
	}
	return c, nil
}

// create writes a file that does not exist.
func create(path string, content []byte, mode fs.FileMode) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	return errors.Join(err, f.Close())
}
