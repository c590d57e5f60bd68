package doctor_test

import (
	"context"
	"io"
	"log"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/gofrs/flock"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/zalando/go-keyring"

	"github.com/agsauth/agsauth/agstest"
	"github.com/agsauth/agsauth/clock"
	"github.com/agsauth/agsauth/cmd/agsauth/internal/config"
	"github.com/agsauth/agsauth/cmd/agsauth/internal/doctor"
	"github.com/agsauth/agsauth/store"
)

func discardLog() *log.Logger { return log.New(io.Discard, "", 0) }

// later returns a clock that is some hours ahead.
func later(hours int) clock.Clock {
	return clock.NewFake(time.Now().Add(time.Duration(hours)*time.Hour + 10*time.Minute))
}

// needsModes skips a test on systems whose modes say nothing about access.
func needsModes(t *testing.T) {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("modes do not describe access")
	}
}

// A session that others can read is named and not repaired, and the session itself is
// judged all the same. See examine for the mode.
func TestRun_ReadableSession(t *testing.T) {
	needsModes(t)
	p := newPatient(t, agstest.Config{})
	p.signOnToFile()
	require.NoError(t, os.Chmod(p.cfg.Settings.Store, 0o644))
	results := p.examine()
	assertLevels(t, results, map[string]doctor.Level{"session file": doctor.Failure})
	assert.Equal(t, "~/state/session.json has the mode 0644, so that other users have access to the session", results["session file"].Text)
	assert.Contains(t, results["session file"].Hint, "chmod 600")
	assert.Contains(t, results["session"].Text, "fresh")
}

func TestRun_Folders(t *testing.T) {
	needsModes(t)
	p := newPatient(t, agstest.Config{})
	p.signOnToFile()
	folder := filepath.Dir(p.cfg.Settings.Store)
	require.NoError(t, os.Chmod(folder, 0o777))
	results := p.examine()
	assertLevels(t, results, map[string]doctor.Level{"session folder": doctor.Failure})
	assert.Contains(t, results["session folder"].Text, "the folder ~/state, mode 0777")
	require.NoError(t, os.Chmod(folder, 0o777|os.ModeSticky))
	assertLevels(t, p.examine(), map[string]doctor.Level{"session folder": doctor.Warning})
}

func TestRun_ReadOnlyFolder(t *testing.T) {
	needsModes(t)
	if os.Geteuid() == 0 {
		t.Skip("root can write every folder")
	}
	p := newPatient(t, agstest.Config{})
	p.signOnToFile()
	folder := filepath.Dir(p.cfg.Settings.Store)
	require.NoError(t, os.Chmod(folder, 0o500))
	t.Cleanup(func() { _ = os.Chmod(folder, 0o700) })
	assertLevels(t, p.examine(), map[string]doctor.Level{"storage": doctor.Warning})
	require.NoError(t, os.Chmod(p.cfg.Settings.Store, 0o400))
	assertLevels(t, p.examine(), map[string]doctor.Level{"storage": doctor.Failure})
}

func TestRun_DamagedSession(t *testing.T) {
	p := newPatient(t, agstest.Config{})
	require.NoError(t, os.MkdirAll(filepath.Dir(p.cfg.Settings.Store), 0o700))
	require.NoError(t, os.WriteFile(p.cfg.Settings.Store, []byte("S3CR3T"), 0o600))
	report := doctor.Run(t.Context(), p.cfg)
	assert.Equal(t, 1, report.Summary.Failures, "%v", report)
	for _, r := range report.Results {
		assert.NotContains(t, r.Text+r.Hint, "S3CR3T")
	}
	left, err := os.ReadFile(p.cfg.Settings.Store)
	require.NoError(t, err)
	assert.Equal(t, "S3CR3T", string(left))
}

func TestRun_LockHeld(t *testing.T) {
	p := newPatient(t, agstest.Config{})
	p.signOnToFile()
	lock := flock.New(p.cfg.Settings.Store + ".lock")
	require.NoError(t, lock.Lock())
	results := p.examine()
	assertLevels(t, results, map[string]doctor.Level{"lock": doctor.Warning})
	require.NoError(t, lock.Unlock())
	assert.Equal(t, doctor.OK, p.examine()["lock"].Level)
}

func TestRun_SecretFiles(t *testing.T) {
	needsModes(t)
	p := newPatient(t, agstest.Config{})
	p.signOnToFile()
	p.cfg.Settings.ParamFile = filepath.Join(p.cfg.Home, "parameters")
	assertLevels(t, p.examine(), map[string]doctor.Level{"secrets in files": doctor.Failure})
	require.NoError(t, os.WriteFile(p.cfg.Settings.ParamFile, []byte("password=open sesame\n"), 0o600))
	assertLevels(t, p.examine(), map[string]doctor.Level{})
	require.NoError(t, os.Chmod(p.cfg.Settings.ParamFile, 0o640))
	results := p.examine()
	assertLevels(t, results, map[string]doctor.Level{"secrets in files": doctor.Warning})
	assert.Contains(t, results["secrets in files"].Text, "~/parameters")
}

func TestRun_Keyring(t *testing.T) {
	p := newPatient(t, agstest.Config{})
	p.cfg.Settings.Keyring = true
	assertLevels(t, p.examine(), map[string]doctor.Level{"session": doctor.Warning})

	key, other := newKey(t, 1), newKey(t, 2)
	sealed := &store.Sealed{Store: &store.File{Path: p.cfg.Settings.Store}, Name: "default", Keys: []store.Key{key}}
	p.signOn(sealed)
	for _, tt := range []struct {
		name string
		key  store.Key
		err  error
		want map[string]doctor.Level
	}{
		{"the key", key, nil, map[string]doctor.Level{}},
		{"another key", other, nil, map[string]doctor.Level{"session": doctor.Failure}},
		{"no key", store.Key{}, keyring.ErrNotFound, map[string]doctor.Level{"keyring": doctor.Failure}},
		{"locked", store.Key{}, context.DeadlineExceeded, map[string]doctor.Level{"keyring": doctor.Failure}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p.cfg.Key = func() (store.Key, error) { return tt.key, tt.err }
			report := doctor.Run(t.Context(), p.cfg)
			results := map[string]doctor.Result{}
			for _, r := range report.Results {
				results[r.Name] = r
			}
			assertLevels(t, results, tt.want)
		})
	}
}

func newKey(tb testing.TB, first byte) store.Key {
	tb.Helper()
	raw := make([]byte, 32)
	raw[0] = first
	key, err := store.NewKey(raw)
	require.NoError(tb, err)
	return key
}

// A URL of another kind of server would be the path of a file, which is shown.
func TestRun_UnknownStore(t *testing.T) {
	p := newPatient(t, agstest.Config{})
	p.cfg.Resolved.Values = map[string]config.Value{"store": {Text: "etcd://me:S3CR3T@host/", Origin: "environment AGSAUTH_STORE"}}
	p.cfg.Settings.Store = "/etcd:/me:S3CR3T@host"
	results := p.examine()
	assertLevels(t, results, map[string]doctor.Level{"settings": doctor.Failure})
	for name, r := range results {
		assert.NotContains(t, r.Text+r.Hint, "S3CR3T", name)
	}
}

// A gateway that accepts the request and does not answer delays nothing else.
func TestRun_GatewayHangs(t *testing.T) {
	p := newPatient(t, agstest.Config{})
	p.signOnToFile()
	p.cfg.Timeout = 2 * time.Second
	release := p.gateway.Hold(agstest.Other)
	defer release()
	results := p.examine()
	assertLevels(t, results, map[string]doctor.Level{"gateway": doctor.Failure})
	assert.Equal(t, "the gateway accepts connections and does not answer", results["gateway"].Text)
	assert.Equal(t, doctor.OK, results["session"].Level)
}
