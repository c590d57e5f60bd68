package gateway_test

import (
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/cmd/agsauth/internal/gateway"
)

func write(t *testing.T, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "gateway.toml")
	require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
	return path
}

func TestReadFile_SetsWhatItHas(t *testing.T) {
	s := gateway.Default()
	require.NoError(t, s.ReadFile(write(t, `
version = 1
access-lifetime = "5s"
refresh-lifetime = 90
skew = "-1m"
services = ["one", "two"]
reusable-refresh-tokens = true
dialect = "ias-v3"

[[account]]
id = "7"
username = "dave"
password = "secret-1"
[[account]]
username = "dave"
password = "secret-1"

[quirks]
string-lifetimes = true
omit-fields = ["client_id"]
sign-on-status = 200
`)))
	want := gateway.Default()
	want.AccessLifetime, want.RefreshLifetime = gateway.Duration{Duration: 5 * time.Second, Given: true}, gateway.Duration{Duration: 90 * time.Second, Given: true}
	want.Skew, want.Services = gateway.Duration{Duration: -time.Minute, Given: true}, []string{"one", "two"}
	want.ReusableRefreshTokens, want.Dialect = true, "ias-v3"
	want.Accounts = []gateway.Account{{ID: "7", Username: "dave", Password: "secret-1"}, {Username: "dave", Password: "secret-1"}}
	want.Quirks = gateway.Quirks{StringLifetimes: true, OmitFields: []string{"client_id"}, SignOnStatus: 200}
	assert.Equal(t, want, s)

	r, client := start(t, s, nil), newClient(t, nil)
	status, body := call(t, client, http.MethodPost, r.URL+"/ags/signOn", `{"deviceInformation":{},"parameters":[
		{"name":"username","value":"dave"},{"name":"password","value":"secret-1"}]}`)
	assert.Equal(t, http.StatusNotFound, status, "the service is none of the two: %s", body)
	_, body = call(t, client, http.MethodGet, r.Admin+"/accounts", "")
	assert.Contains(t, body, `{"id":"7","username":"dave","state":"live"}`)
	assert.NotContains(t, body, "secret-1")
	_, body = call(t, client, http.MethodGet, r.Admin+"/config", "")
	assert.Contains(t, body, `"accessLifetime":"5s","dialect":"ias-v3"`)
}

func TestReadFile_RefusesWhatMakesNoSense(t *testing.T) {
	tests := []struct{ content, want string }{
		{"acess-lifetime = \"5s\"", `line 1: there is no setting "acess-lifetime"`},
		{"\n[quirks]\nopaque = true", `line 3: there is no setting "quirks.opaque"`},
		{"[[account]]\nuser = \"s3cret\"", `line 2: there is no setting "account.user"`},
		{"access-lifetime = \"s3cret\"", `line 1: the value of "access-lifetime" is not valid`},
		{"access-lifetime = 5.5", "a value is of the wrong kind"},
		{"device-limit = \"s3cret\"", `line 1: the value of "device-limit" is not valid`},
		{"tls = \"s3cret", "line 1, column"},
		{"version = \"s3cret\"", "line 1"},
		{"version = 2\nnew-key = 1", "is of version 2, and this agsauth reads version 1; install a newer agsauth"},
	}
	for _, test := range tests {
		s := gateway.Default()
		err := s.ReadFile(write(t, test.content))
		assertUsage(t, err, "gateway.toml", test.want)
		assert.NotContains(t, err.Error(), "s3cret")
	}
	s := gateway.Default()
	assertUsage(t, s.ReadFile(filepath.Join(t.TempDir(), "none.toml")), "cannot be read")
}

func TestRun_RefusesSettingsThatMakeNoSense(t *testing.T) {
	tests := map[string]func(*gateway.Settings){
		`listen: "8080" is not an address`:            func(s *gateway.Settings) { s.Listen = "8080" },
		`listen: "127.0.0.1:http" is not an address`:  func(s *gateway.Settings) { s.Listen = "127.0.0.1:http" },
		`listen: "127.0.0.1:70000" is not an address`: func(s *gateway.Settings) { s.Listen = "127.0.0.1:70000" },
		`listen: "" is not an address`:                func(s *gateway.Settings) { s.Listen = "" },
		`admin-listen: "on" is not an address`:        func(s *gateway.Settings) { s.AdminListen = "on" },
		`admin-hosts: "gateway:80" is no host name`:   func(s *gateway.Settings) { s.AdminHosts = []string{"a", "gateway:80"} },
		"advertise-url: not a URL":                    func(s *gateway.Settings) { s.AdvertiseURL = "gateway" },
		"advertise-url: a URL with a user":            func(s *gateway.Settings) { s.AdvertiseURL = "https://u:p@gateway" },
		"access-lifetime: 0s is no lifetime":          func(s *gateway.Settings) { s.AccessLifetime.Given = true },
		"fixed-lifetime: -1s is no lifetime":          func(s *gateway.Settings) { s.FixedLifetime = gateway.Duration{Duration: -time.Second, Given: true} },
		"reuse-grace: -1s is negative":                func(s *gateway.Settings) { s.ReuseGrace = gateway.Duration{Duration: -time.Second, Given: true} },
		`dialect: there is no "ias"; use ags, ias-v3`: func(s *gateway.Settings) { s.Dialect = "ias" },
		"user-accounts: negative":                     func(s *gateway.Settings) { s.UserAccounts = -1 },
		"both are set": func(s *gateway.Settings) {
			s.UserAccounts, s.Accounts = 2, []gateway.Account{{Username: "dave"}}
		},
		"account 1: no username": func(s *gateway.Settings) { s.Accounts = []gateway.Account{{ID: "1"}} },
		`account 2: there is another with the id "1"`: func(s *gateway.Settings) {
			s.Accounts = []gateway.Account{{ID: "1", Username: "a"}, {ID: "1", Username: "b"}}
		},
		"quirks.refresh-status: 99 is no status": func(s *gateway.Settings) { s.Quirks.RefreshStatus = 99 },
		"require-bearer and require-bare":        func(s *gateway.Settings) { s.Quirks.RequireBearer, s.Quirks.RequireBare = true, true },
	}
	for want, change := range tests {
		s := gateway.Default()
		change(&s)
		assertUsage(t, run(t, s), want)
	}
}

func TestDuration(t *testing.T) {
	var d gateway.Duration
	assert.Empty(t, d.String())
	for text, want := range map[string]time.Duration{"5s": 5 * time.Second, "1h30m": 90 * time.Minute, "60": time.Minute, "-5": -5 * time.Second} {
		require.NoError(t, d.Set(text))
		assert.Equal(t, want, d.Duration)
		assert.Equal(t, want.String(), d.String())
	}
	for _, text := range []string{"", "soon", "5 s", "1e9", "99999999999"} {
		require.Error(t, d.Set(text), text)
	}
}
