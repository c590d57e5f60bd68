package profile_test

import (
	"context"
	"encoding/pem"
	"errors"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/zalando/go-keyring"

	"github.com/agsauth/agsauth/ags"
	"github.com/agsauth/agsauth/agstest"
	"github.com/agsauth/agsauth/cmd/agsauth/internal/boundstore"
	"github.com/agsauth/agsauth/cmd/agsauth/internal/config"
	"github.com/agsauth/agsauth/cmd/agsauth/internal/exit"
	"github.com/agsauth/agsauth/cmd/agsauth/internal/profile"
	"github.com/agsauth/agsauth/tokensource"
)

// keys is a keyring in memory. err is what it fails with.
type keys struct {
	stored map[string]string
	err    error
}

func (k keys) Get(service, user string) (string, error) {
	if key, ok := k.stored[service+"/"+user]; ok && k.err == nil {
		return key, nil
	}
	if k.err != nil {
		return "", k.err
	}
	return "", keyring.ErrNotFound
}

func (k keys) Set(service, user, password string) error {
	if k.err == nil {
		k.stored[service+"/"+user] = password
	}
	return k.err
}

func settings(t *testing.T, gateway string) *config.Settings {
	t.Helper()
	return &config.Settings{
		Gateway: gateway, Service: "Customer Auth Service", Tenant: "nagra", Session: "default",
		Store: filepath.Join(t.TempDir(), "state", "session.json"),
	}
}

// signOn signs on and stores the session.
func signOn(t *testing.T, s *config.Settings, ring profile.Keyring) error {
	t.Helper()
	p, err := profile.Open(t.Context(), s, ring)
	if err != nil {
		return err
	}
	defer func() { assert.NoError(t, p.Close()) }()
	source, err := p.NewSource(tokensource.Config{Login: tokensource.SignOnWith(p.Client, ags.SignOnRequest{
		Parameters:        []ags.Parameter{{Name: "username", Value: agstest.DefaultUsername}, {Name: "password", Value: agstest.DefaultPassword}},
		DeviceInformation: []byte(`{}`),
	})})
	require.NoError(t, err)
	_, err = source.TokenContext(t.Context())
	require.NoError(t, err)
	return source.Close()
}

func phase(t *testing.T, s *config.Settings, ring profile.Keyring) (tokensource.Phase, error) {
	t.Helper()
	p, err := profile.Open(t.Context(), s, ring)
	if err != nil {
		return tokensource.Unknown, err
	}
	defer func() { assert.NoError(t, p.Close()) }()
	source, err := p.NewSource(tokensource.Config{})
	require.NoError(t, err)
	defer func() { assert.NoError(t, source.Close()) }()
	err = source.Sync(t.Context())
	return source.Status().Phase, err
}

func TestOpen_NoGateway(t *testing.T) {
	_, err := profile.Open(t.Context(), &config.Settings{}, keys{})
	assert.Equal(t, exit.Usage, exit.StatusOf(err))
	assert.ErrorContains(t, err, "use --gateway URL")
}

func TestKeyring_TheSessionIsEncryptedWithItsKey(t *testing.T) {
	srv := agstest.NewServer(agstest.Config{})
	defer srv.Close()
	ring := keys{stored: map[string]string{}}
	s := settings(t, srv.URL)
	s.Keyring = true
	require.NoError(t, signOn(t, s, ring))
	require.Len(t, ring.stored, 1)
	content, err := os.ReadFile(s.Store)
	require.NoError(t, err)
	assert.NotContains(t, string(content), "access")
	got, err := phase(t, s, ring)
	require.NoError(t, err)
	assert.Equal(t, tokensource.Fresh, got)

	t.Run("a lost key is not replaced", func(t *testing.T) {
		_, err := phase(t, s, keys{stored: map[string]string{}})
		assert.ErrorContains(t, err, "session default is stored, but the keyring has no key for it")
	})
	t.Run("without keyring it is not read, and left alone", func(t *testing.T) {
		plain := *s
		plain.Keyring = false
		_, err := phase(t, &plain, ring)
		assert.Error(t, err)
		after, err := os.ReadFile(s.Store)
		require.NoError(t, err)
		assert.Equal(t, content, after)
	})
	t.Run("a session that is not encrypted is not read", func(t *testing.T) {
		plain := *settings(t, srv.URL)
		require.NoError(t, signOn(t, &plain, ring))
		plain.Keyring = true
		_, err := phase(t, &plain, ring)
		assert.Error(t, err)
	})
}

func TestKeyring_NeverFallsBackToPlain(t *testing.T) {
	srv := agstest.NewServer(agstest.Config{})
	defer srv.Close()
	for _, ring := range []keys{{err: errors.New("no bus")}, {stored: map[string]string{"agsauth/default": "no key"}}} {
		s := settings(t, srv.URL)
		s.Keyring = true
		err := signOn(t, s, ring)
		assert.Equal(t, exit.Failure, exit.StatusOf(err))
		assert.ErrorContains(t, err, "keyring")
		assert.NoFileExists(t, s.Store)
	}
	assert.Zero(t, srv.Count(agstest.SignOn))
}

func TestKeyring_SaysWhatToDo(t *testing.T) {
	for want, failed := range map[string]error{
		"unlock it, or use a profile without keyring":       errors.New("the collection is locked"),
		"there is none: start one, such as gnome-keyring, ": &exec.Error{Name: "dbus-launch", Err: exec.ErrNotFound},
	} {
		s := settings(t, "http://127.0.0.1:1")
		s.Keyring = true
		_, err := profile.Open(t.Context(), s, keys{err: failed})
		assert.ErrorContains(t, err, want)
	}
}

func TestTransport_TrustsTheAuthoritiesOfTheFile(t *testing.T) {
	srv := httptest.NewTLSServer(nil)
	defer srv.Close()
	folder := t.TempDir()
	good, empty := filepath.Join(folder, "ca.pem"), filepath.Join(folder, "empty.pem")
	content := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: srv.Certificate().Raw})
	require.NoError(t, os.WriteFile(good, content, 0o600))
	require.NoError(t, os.WriteFile(empty, []byte("x"), 0o600))
	for file, want := range map[string]string{empty: "has no certificate in it", filepath.Join(folder, "none"): "cannot be read"} {
		_, err := profile.Transport(file)
		assert.Equal(t, exit.Usage, exit.StatusOf(err))
		assert.ErrorContains(t, err, want)
	}
	for file, trusted := range map[string]bool{"": false, good: true} {
		transport, err := profile.Transport(file)
		require.NoError(t, err)
		rq := httptest.NewRequestWithContext(t.Context(), "GET", srv.URL, nil)
		rq.RequestURI = ""
		resp, err := transport.RoundTrip(rq)
		assert.Equal(t, trusted, err == nil, err)
		if err == nil {
			assert.NoError(t, resp.Body.Close())
		}
		transport.CloseIdleConnections()
	}
}

// full is a store on a disk that is full while it is set.
type full struct {
	tokensource.Store

	full bool
}

func (f *full) Save(ctx context.Context, record []byte) error {
	if f.full {
		return syscall.ENOSPC
	}
	return f.Store.Save(ctx, record)
}

func TestNewSource_DoesNotRefreshWhatItCannotSave(t *testing.T) {
	srv := agstest.NewServer(agstest.Config{AccessLifetime: time.Second})
	defer srv.Close()
	s := settings(t, srv.URL)
	require.NoError(t, signOn(t, s, keys{}))
	time.Sleep(1100 * time.Millisecond) // the access token expires
	token := func(isFull bool) error {
		p, err := profile.Open(t.Context(), s, keys{})
		require.NoError(t, err)
		defer func() { assert.NoError(t, p.Close()) }()
		bound, ok := p.Store.(*boundstore.Store)
		require.True(t, ok)
		bound.Store = &full{bound.Store, isFull}
		source, err := p.NewSource(tokensource.Config{})
		require.NoError(t, err)
		defer func() { _ = source.Close() }()
		_, err = source.TokenContext(t.Context())
		return err
	}
	err := token(true)
	require.ErrorIs(t, err, syscall.ENOSPC)
	assert.Equal(t, exit.Failure, exit.StatusOf(err))
	assert.Zero(t, srv.Count(agstest.Refresh))
	require.NoError(t, token(false), "the session is not lost")
}
