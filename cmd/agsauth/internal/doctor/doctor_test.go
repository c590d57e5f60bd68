package doctor_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/zalando/go-keyring"

	"github.com/agsauth/agsauth/ags"
	"github.com/agsauth/agsauth/agstest"
	"github.com/agsauth/agsauth/clock"
	"github.com/agsauth/agsauth/cmd/agsauth/internal/config"
	"github.com/agsauth/agsauth/cmd/agsauth/internal/doctor"
	"github.com/agsauth/agsauth/store"
	"github.com/agsauth/agsauth/tokensource"
)

// patient is a profile, and a gateway that it can use.
type patient struct {
	tb      testing.TB
	gateway *agstest.Server
	cfg     doctor.Config
	// secrets are the tokens and identifiers of its sessions.
	secrets []string
}

// newPatient returns a profile of a gateway, with a session that is stored.
func newPatient(tb testing.TB, gateway agstest.Config) *patient {
	tb.Helper()
	gateway.AuthServiceIDs, gateway.TenantID = []string{"Customer Auth Service"}, "nagra"
	p := &patient{tb: tb, gateway: agstest.NewServer(gateway)}
	tb.Cleanup(p.gateway.Close)
	home := tb.TempDir()
	p.cfg = doctor.Config{
		Resolved: &config.Resolved{Profile: config.Value{Text: "default", Origin: "default"}},
		Settings: &config.Settings{
			Gateway: p.gateway.URL, Service: "Customer Auth Service", Tenant: "nagra",
			Store: filepath.Join(home, "state", "session.json"), Session: "default",
		},
		Transport: &http.Transport{},
		Key:       func() (store.Key, error) { return store.Key{}, keyring.ErrNotFound },
		LookupEnv: func(string) (string, bool) { return "", false },
		Home:      home, Clock: clock.Real{}, Timeout: 30 * time.Second,
	}
	if gateway.Certificate != nil {
		p.cfg.Transport = p.gateway.Client().Transport.(*http.Transport).Clone()
	}
	p.connect()
	return p
}

// connect makes the client of the gateway.
func (p *patient) connect() {
	p.tb.Helper()
	client, err := ags.New(ags.Config{
		BaseURL: p.cfg.Settings.Gateway, AuthServiceID: p.cfg.Settings.Service, TenantID: p.cfg.Settings.Tenant,
		HTTPClient: &http.Client{Transport: p.cfg.Transport},
	})
	require.NoError(p.tb, err)
	p.cfg.Client = client
}

// signOn stores a session in a store.
func (p *patient) signOn(to tokensource.Store) {
	p.tb.Helper()
	token, err := p.cfg.Client.SignOn(p.tb.Context(), ags.SignOnRequest{
		Parameters:        []ags.Parameter{{Name: "username", Value: agstest.DefaultUsername}, {Name: "password", Value: agstest.DefaultPassword}},
		DeviceInformation: json.RawMessage(`{}`),
	})
	require.NoError(p.tb, err)
	p.secrets = append(p.secrets, token.AccessToken.Reveal(), token.RefreshToken.Reveal(), token.ClientID)
	source, err := tokensource.New(tokensource.Config{Refresher: p.cfg.Client, Store: to})
	require.NoError(p.tb, err)
	require.NoError(p.tb, source.SetToken(p.tb.Context(), token))
	require.NoError(p.tb, source.Close())
}

func (p *patient) signOnToFile() {
	p.tb.Helper()
	p.signOn(&store.File{Path: p.cfg.Settings.Store})
}

// examine runs all checks. It requires that no refresh token was spent and nobody signed
// on meanwhile, that the session is stored as before, and that nothing in the report
// must be kept secret.
func (p *patient) examine() map[string]doctor.Result {
	p.tb.Helper()
	before, files := p.stored()
	signOns, refreshes := p.gateway.Count(agstest.SignOn), p.gateway.Count(agstest.Refresh)
	report := doctor.Run(p.tb.Context(), p.cfg)
	assert.Equal(p.tb, signOns, p.gateway.Count(agstest.SignOn))
	assert.Equal(p.tb, refreshes, p.gateway.Count(agstest.Refresh))
	after, filesAfter := p.stored()
	assert.Equal(p.tb, before, after)
	assert.Equal(p.tb, files, filesAfter)
	text, err := json.Marshal(report)
	require.NoError(p.tb, err)
	p.assertNoSecret(string(text))
	results := map[string]doctor.Result{}
	for _, r := range report.Results {
		results[r.Name] = r
		if r.Level == doctor.Failure || r.Level == doctor.Warning {
			assert.NotEmpty(p.tb, r.Hint, r.Name)
		}
	}
	return results
}

// stored returns the content of the session's file with its mode, and the files beside
// it.
func (p *patient) stored() (content string, names []string) {
	p.tb.Helper()
	data, err := os.ReadFile(p.cfg.Settings.Store)
	if err == nil {
		info, err := os.Stat(p.cfg.Settings.Store)
		require.NoError(p.tb, err)
		content = info.Mode().String() + string(data)
	}
	entries, _ := os.ReadDir(filepath.Dir(p.cfg.Settings.Store))
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return content, names
}

func (p *patient) assertNoSecret(report string) {
	p.tb.Helper()
	for _, secret := range append(p.secrets, p.cfg.Home, agstest.DefaultPassword) {
		require.NotEmpty(p.tb, secret)
		assert.NotContains(p.tb, report, secret)
	}
}

// assertLevels asserts the results that are not OK or skipped.
func assertLevels(tb testing.TB, results map[string]doctor.Result, want map[string]doctor.Level) {
	tb.Helper()
	got := map[string]doctor.Level{}
	for name, r := range results {
		if r.Level == doctor.Failure || r.Level == doctor.Warning {
			got[name] = r.Level
		}
	}
	assert.Equal(tb, want, got, "%v", results)
}

func TestRun_Healthy(t *testing.T) {
	p := newPatient(t, agstest.Config{})
	p.signOnToFile()
	results := p.examine()
	assertLevels(t, results, map[string]doctor.Level{})
	for _, name := range []string{"connection", "gateway", "service", "clock", "session file", "session folder", "storage", "lock", "session"} {
		assert.Equal(t, doctor.OK, results[name].Level, "%s: %s", name, results[name].Text)
	}
	assert.Contains(t, results["session"].Text, "fresh; the access token expires ")
}

func TestRun_NobodySignedOn(t *testing.T) {
	p := newPatient(t, agstest.Config{})
	assertLevels(t, p.examine(), map[string]doctor.Level{"session": doctor.Warning})
}

func TestRun_SignedOut(t *testing.T) {
	p := newPatient(t, agstest.Config{})
	p.signOnToFile()
	source, err := tokensource.New(tokensource.Config{Refresher: p.cfg.Client, Store: &store.File{Path: p.cfg.Settings.Store}})
	require.NoError(t, err)
	require.NoError(t, source.SignOut(t.Context()))
	require.NoError(t, source.Close())
	report := doctor.Run(t.Context(), p.cfg)
	assert.Zero(t, report.Summary.Failures)
	assert.Equal(t, 1, report.Summary.Warnings, "%v", report)
}

func TestRun_ExpiredSession(t *testing.T) {
	p := newPatient(t, agstest.Config{})
	p.signOnToFile()
	for _, tt := range []struct {
		after time.Duration
		want  map[string]doctor.Level
		text  string
	}{
		{2 * time.Hour, map[string]doctor.Level{"clock": doctor.Failure}, "the next command refreshes it"},
		{72 * time.Hour, map[string]doctor.Level{"clock": doctor.Failure, "session": doctor.Warning}, "the session has ended"},
	} {
		p.cfg.Clock = clock.NewFake(time.Now().Add(tt.after))
		results := p.examine()
		assertLevels(t, results, tt.want)
		assert.Contains(t, results["session"].Text, tt.text)
	}
}

func TestRun_UnfinishedRefresh(t *testing.T) {
	p := newPatient(t, agstest.Config{})
	p.signOnToFile()
	data, err := os.ReadFile(p.cfg.Settings.Store)
	require.NoError(t, err)
	var record map[string]any
	require.NoError(t, json.Unmarshal(data, &record))
	record["attempt_at"] = time.Now().UTC()
	data, err = json.Marshal(record)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(p.cfg.Settings.Store, data, 0o600))
	results := p.examine()
	assertLevels(t, results, map[string]doctor.Level{"session": doctor.Warning})
	assert.Contains(t, results["session"].Text, "outcome is unknown")
}

func TestRun_Skew(t *testing.T) {
	p := newPatient(t, agstest.Config{Skew: 10 * time.Minute})
	results := p.examine()
	assertLevels(t, results, map[string]doctor.Level{"clock": doctor.Failure, "session": doctor.Warning})
	assert.Regexp(t, `^the clock of this machine is (9m5\ds|10m\ds) behind the gateway's$`, results["clock"].Text)
}

func TestRun_WrongServiceAndTenant(t *testing.T) {
	p := newPatient(t, agstest.Config{})
	p.cfg.Settings.Service = "Another"
	results := p.examine()
	assert.Equal(t, doctor.Failure, results["service"].Level)
	assert.Contains(t, results["service"].Text, `"Customer Auth Service"`)
	p.cfg.Settings.Tenant = "another"
	p.connect()
	results = p.examine()
	assert.Equal(t, doctor.Failure, results["gateway"].Level)
	assert.Contains(t, results["gateway"].Hint, "check the tenant")
	assert.Equal(t, doctor.Skipped, results["service"].Level)
}

func TestRun_GatewayAway(t *testing.T) {
	p := newPatient(t, agstest.Config{})
	p.signOnToFile()
	p.gateway.Close()
	results := p.examine()
	assertLevels(t, results, map[string]doctor.Level{"connection": doctor.Failure})
	assert.Equal(t, doctor.Skipped, results["clock"].Level)
	assert.Equal(t, doctor.OK, results["session"].Level)
}

func TestRun_Proxy(t *testing.T) {
	p := newPatient(t, agstest.Config{})
	proxy, err := url.Parse("http://me:secret@127.0.0.1:1")
	require.NoError(t, err)
	p.cfg.Transport.Proxy = http.ProxyURL(proxy)
	p.cfg.LookupEnv = func(name string) (string, bool) { return "http://me:secret@127.0.0.1:1", name == "HTTP_PROXY" }
	report := doctor.Run(t.Context(), p.cfg)
	for _, r := range report.Results {
		assert.NotContains(t, r.Text+r.Hint, "secret")
		switch r.Name {
		case "proxy":
			assert.Equal(t, "HTTP_PROXY sends requests to the gateway through the proxy 127.0.0.1:1", r.Text)
		case "connection":
			assert.Equal(t, doctor.Failure, r.Level)
			assert.Contains(t, r.Text, "the proxy 127.0.0.1:1")
		}
	}
}
