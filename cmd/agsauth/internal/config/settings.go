package config

import (
	"cmp"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/agsauth/agsauth/ags"
	"github.com/agsauth/agsauth/cmd/agsauth/internal/credentials"
	"github.com/agsauth/agsauth/cmd/agsauth/internal/exit"
)

// Settings are the values of a profile, parsed and checked.
type Settings struct {
	Gateway, Service, Tenant string
	// API is the base URL of the API, nil if it is not set.
	API     *url.URL
	Dialect ags.Dialect
	CAFile  string
	// Store is a path, or the URL of a Redis server.
	Store string
	// Session is the name of the session in Redis, and for its encryption.
	Session       string
	Keyring       bool
	ParamFile     string
	DeviceInfo    string
	Timeout       time.Duration
	RefreshBefore time.Duration

	BareRefreshToken, OmitParameters, AllowInsecure bool

	// Parameters are sent with every call to the gateway, and Headers with every
	// request to it.
	Parameters, Headers map[string]string
}

// IsRedis reports whether the session is stored in Redis.
func (s *Settings) IsRedis() bool { return isRedis(s.Store) }

func isRedis(store string) bool {
	return strings.HasPrefix(store, "redis://") || strings.HasPrefix(store, "rediss://")
}

// Settings parses the values. All errors are usage errors, and name the value's origin.
func (r *Resolved) Settings() (*Settings, error) {
	p := parser{values: r.Values}
	s := &Settings{
		Gateway: p.text(keyGateway), Service: p.text(KeyService), Tenant: p.text(keyTenant),
		API: p.url(keyAPI), Dialect: p.dialect(), CAFile: p.path(keyCAFile), Store: p.store(filepath.Join(r.Folder, "session.json")),
		Session: cmp.Or(p.text(keySession), r.Profile.Text), Keyring: p.bool(keyKeyring), ParamFile: p.path(keyParamFile), DeviceInfo: p.path(keyDeviceInfo),
		Timeout: p.duration(keyTimeout), RefreshBefore: p.duration(keyRefreshBefore),
		BareRefreshToken: p.bool(keyBareRefreshToken), OmitParameters: p.bool(keyOmitParameters), AllowInsecure: p.bool(keyAllowInsecure),
		Parameters: r.Parameters, Headers: r.Headers,
	}
	return s, p.err
}

// CheckGateway returns an error if the session of the profile was made at another
// gateway, or in another tenant: the tokens of one must never be sent to another.
func (r *Resolved) CheckGateway() error {
	for _, key := range []string{keyGateway, keyTenant} {
		was, now := r.Remembered[key], r.Values[key]
		if was == "" || now.Text == "" || strings.TrimSuffix(was, "/") == strings.TrimSuffix(now.Text, "/") {
			continue
		}
		return exit.Usagef("%s is %s, but profile %s belongs to %s; use another --profile, or run agsauth logout --forget-device with the former %s first",
			now.Origin, now.Text, r.Profile.Text, was, key)
	}
	return nil
}

// parser parses values, and keeps the first error.
type parser struct {
	values map[string]Value
	err    error
}

func (p *parser) fail(key, want string) {
	if p.err == nil {
		v := p.values[key]
		p.err = exit.Usagef("%s: %q is not a valid %s; use %s", v.Origin, v.Display(), key, want)
	}
}

func (p *parser) text(key string) string { return p.values[key].Text }

func (p *parser) bool(key string) bool {
	b, err := strconv.ParseBool(p.text(key))
	if err != nil && p.text(key) != "" {
		p.fail(key, "true or false")
	}
	return b
}

func (p *parser) duration(key string) time.Duration {
	if p.text(key) == "" {
		return 0
	}
	d, err := time.ParseDuration(p.text(key))
	if err != nil || d <= 0 {
		p.fail(key, "a duration above zero, such as 30s")
	}
	return d
}

func (p *parser) url(key string) *url.URL {
	if p.text(key) == "" {
		return nil
	}
	u, err := url.Parse(p.text(key))
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		p.fail(key, "an http or https URL without user, query and fragment")
	}
	return u
}

func (p *parser) path(key string) string { return absolute(p.text(key)) }

// beside returns a path that a file has in it: a relative one is relative to the file's
// folder.
func beside(file, path string) string {
	if path == "" || path == credentials.StandardInput || strings.Contains(path, "://") || strings.HasPrefix(path, "~/") || filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(filepath.Dir(file), path)
}

// absolute returns the absolute form of a path, because login remembers it for commands
// in other folders. It leaves URLs, an empty path, and that of standard input as they are.
func absolute(path string) string {
	if path == "" || path == credentials.StandardInput || isRedis(path) {
		return path
	}
	if rest, ok := strings.CutPrefix(path, "~/"); ok {
		if home, err := os.UserHomeDir(); err == nil {
			return filepath.Join(home, rest)
		}
	}
	whole, err := filepath.Abs(path)
	if err != nil {
		return path
	}
	return whole
}

func (p *parser) dialect() ags.Dialect {
	switch p.text(keyDialect) {
	case "", "ags":
		return ags.AGS
	case "ias-v3":
		return ags.IASv3
	case "ias-v2":
		return ags.IASv2
	}
	p.fail(keyDialect, "ags, ias-v3 or ias-v2")
	return ags.AGS
}

// store returns where the session is stored. Passwords are refused on the command line,
// which every user of the machine can read.
func (p *parser) store(byDefault string) string {
	v := p.values[keyStore]
	switch {
	case v.Text == "":
		return byDefault
	case !isRedis(v.Text) && strings.Contains(v.Text, "://"):
		if p.err == nil {
			p.err = exit.Usagef("%s: the store is neither a file nor the URL of a Redis server; use redis://HOST:6379/0 or rediss://HOST:6379/0", v.Origin)
		}
	case !isRedis(v.Text):
		return p.path(keyStore)
	case hasPassword(v.Text) && strings.HasPrefix(v.Origin, "flag"):
		if p.err == nil {
			p.err = exit.Usagef("flag --store: a password on the command line can be read by every user of this machine; set AGSAUTH_STORE or the configuration file instead")
		}
	}
	return v.Text
}

// hasPassword reports whether a text is a URL with a password in it.
func hasPassword(text string) bool {
	u, err := url.Parse(text)
	if err != nil {
		return strings.Contains(text, "@")
	}
	_, ok := u.User.Password()
	return ok
}

// Display returns a value as it may be shown: without a password in a URL.
func (v Value) Display() string {
	if !hasPassword(v.Text) {
		return v.Text
	}
	u, err := url.Parse(v.Text)
	if err != nil {
		return "[redacted]"
	}
	return u.Redacted()
}
