package config_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/ags"
	"github.com/agsauth/agsauth/cmd/agsauth/internal/config"
	"github.com/agsauth/agsauth/cmd/agsauth/internal/exit"
)

// sources are sources with a home of their own.
func sources(t *testing.T) config.Sources {
	t.Helper()
	home := t.TempDir()
	return config.Sources{
		Flags: map[string]string{}, LookupEnv: func(string) (string, bool) { return "", false },
		ConfigHome: filepath.Join(home, "config"), StateHome: filepath.Join(home, "state"),
	}
}

func resolve(t *testing.T, s config.Sources) *config.Resolved {
	t.Helper()
	r, err := config.Resolve(s)
	require.NoError(t, err)
	return r
}

func TestSettings_Defaults(t *testing.T) {
	s := sources(t)
	got, err := resolve(t, s).Settings()
	require.NoError(t, err)
	assert.Equal(t, "nagra", got.Tenant)
	assert.Equal(t, ags.AGS, got.Dialect)
	assert.Equal(t, "15s", got.Timeout.String())
	assert.Equal(t, filepath.Join(s.StateHome, "agsauth", "default", "session.json"), got.Store)
	assert.Equal(t, "default", got.Session)
	assert.False(t, got.IsRedis())
}

func TestSettings_Refused(t *testing.T) {
	for _, tt := range []struct{ key, value, want string }{
		{"timeout", "10", `flag --timeout: "10" is not a valid timeout; use a duration above zero, such as 30s`},
		{"timeout", "-1s", "a duration above zero"},
		{"refresh-before", "0s", "a duration above zero"},
		{"keyring", "perhaps", "use true or false"},
		{"dialect", "ias", "use ags, ias-v3 or ias-v2"},
		{"api", "api.example", "use an http or https URL without user, query and fragment"},
		{"api", "ftp://api.example", "use an http or https URL"},
		{"api", "https://me:secret@api.example", `flag --api: "https://me:xxxxx@api.example" is not a valid api`},
		{"api", "https://api.example?token=1", "use an http or https URL"},
		{"store", "etcd://me:secret@127.0.0.1", "the store is neither a file nor the URL of a Redis server"},
		{"store", "redis://:secret@127.0.0.1", "a password on the command line can be read by every user"},
	} {
		s := sources(t)
		s.Flags[tt.key] = tt.value
		_, err := resolve(t, s).Settings()
		assert.Equal(t, exit.Usage, exit.StatusOf(err), tt.value)
		assert.ErrorContains(t, err, tt.want)
		assert.NotContains(t, err.Error(), "secret")
	}
}

func TestRemember(t *testing.T) {
	s := sources(t)
	s.Flags = map[string]string{"gateway": "https://gateway.example/", "ca-file": "ca.pem", "timeout": "3s", "param-file": "secrets"}
	s.LookupEnv = func(name string) (string, bool) {
		return "redis://me:secret@127.0.0.1:6379", name == "AGSAUTH_STORE"
	}
	signedOn := resolve(t, s)
	signedOn.Set(config.KeyService, "Customer Auth Service", "the user")
	require.NoError(t, signedOn.Remember("PUB_1"))
	content, err := os.ReadFile(filepath.Join(signedOn.Folder, "settings.toml"))
	require.NoError(t, err)
	assert.NotContains(t, string(content), "secret", "neither a password nor the file of one is remembered")

	s.Flags, s.LookupEnv = map[string]string{}, func(string) (string, bool) { return "", false }
	later := resolve(t, s)
	assert.Equal(t, config.Value{Text: "https://gateway.example/", Origin: "last sign-on"}, later.Values["gateway"])
	assert.Equal(t, "Customer Auth Service", later.Values["service"].Text)
	assert.Equal(t, "PUB_1", later.Device)
	assert.Equal(t, "15s", later.Values["timeout"].Text, "a timeout is of one command")
	here, err := os.Getwd()
	require.NoError(t, err)
	assert.Equal(t, filepath.Join(here, "ca.pem"), later.Values["ca-file"].Text, "valid in every folder")

	require.NoError(t, later.Forget())
	require.NoError(t, later.Forget(), "there is nothing to forget any more")
	assert.Empty(t, resolve(t, s).Values["gateway"].Text)
}

func TestCheckGateway_RefusesTheSessionOfAnother(t *testing.T) {
	s := sources(t)
	s.Flags["gateway"] = "https://gateway.example"
	require.NoError(t, resolve(t, s).Remember(""))
	for _, tt := range []struct {
		key, value string
		ok         bool
	}{
		{"gateway", "https://gateway.example/", true},
		{"gateway", "https://other.example", false},
		{"gateway", "http://gateway.example", false},
		{"tenant", "nagra", true},
		{"tenant", "other", false},
	} {
		s.Flags = map[string]string{tt.key: tt.value}
		err := resolve(t, s).CheckGateway()
		if tt.ok {
			assert.NoError(t, err, tt.value)
		} else {
			assert.Equal(t, exit.Usage, exit.StatusOf(err), tt.value)
			assert.ErrorContains(t, err, "flag --"+tt.key+" is "+tt.value+", but profile default belongs to ")
		}
	}
}

func TestRemembered_OfANewerVersionIsLeftAlone(t *testing.T) {
	s := sources(t)
	folder := filepath.Join(s.StateHome, "agsauth", "default")
	require.NoError(t, os.MkdirAll(folder, 0o700))
	path := filepath.Join(folder, "settings.toml")
	require.NoError(t, os.WriteFile(path, []byte("version = 2\n"), 0o600))
	_, err := config.Resolve(s)
	assert.Equal(t, exit.Usage, exit.StatusOf(err))
	assert.ErrorContains(t, err, "install a newer agsauth")
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.Equal(t, "version = 2\n", string(content))
}

// Whatever is in the file: it is read, or named in an error of the user's that does not
// quote it.
func FuzzFile(f *testing.F) {
	f.Add("version = 1\ndefault-profile = \"a\"\n[profile.a]\ngateway = \"https://x\"\nkeyring = true\n[profile.a.headers]\na = \"b\"")
	f.Add("[profile.default]\npassword = open sesame")
	f.Add("version = 99")
	f.Add("[profile.\"../x\"]")
	f.Add("[profile.default.parameters]\na = 1")
	f.Fuzz(func(t *testing.T, content string) {
		_, err := config.ParseFile([]byte(content))
		if err != nil {
			require.Equal(t, exit.Usage, exit.StatusOf(err), err)
			require.NotContains(t, err.Error(), "\n")
		}
	})
}
