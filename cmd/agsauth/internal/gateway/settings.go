package gateway

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"

	"github.com/agsauth/agsauth/agstest"
	"github.com/agsauth/agsauth/cmd/agsauth/internal/exit"
)

// Settings are the settings of a gateway, by flags or by a file. See [agstest.Config] for
// those that it has too.
type Settings struct {
	// Listen and AdminListen are the addresses of the gateway and of its admin interface.
	// AdminListen may be "off".
	Listen      string `toml:"listen"`
	AdminListen string `toml:"admin-listen"`
	// AdminHosts are the host names by which the admin interface may be called, besides
	// those of loopback addresses.
	AdminHosts []string `toml:"admin-hosts"`
	// TLS is the folder of the files ca.pem, cert.pem and key.pem, which are made if the
	// folder has none of them. Empty means no TLS.
	TLS          string `toml:"tls"`
	AdvertiseURL string `toml:"advertise-url"`

	AccessLifetime  Duration `toml:"access-lifetime"`
	RefreshLifetime Duration `toml:"refresh-lifetime"`
	FixedLifetime   Duration `toml:"fixed-lifetime"`
	Skew            Duration `toml:"skew"`

	Dialect     string   `toml:"dialect"`
	Services    []string `toml:"services"`
	Tenant      string   `toml:"tenant"`
	DeviceLimit int      `toml:"device-limit"`
	// UserAccounts is how many accounts the default user has, if Accounts has none.
	UserAccounts int       `toml:"user-accounts"`
	Accounts     []Account `toml:"account"`

	OptionalParameters    bool     `toml:"optional-parameters"`
	ReusableRefreshTokens bool     `toml:"reusable-refresh-tokens"`
	ReuseGrace            Duration `toml:"reuse-grace"`
	AccessEndsWithSession bool     `toml:"access-ends-with-session"`
	NewestAccessOnly      bool     `toml:"newest-access-only"`
	LegacyRejections      bool     `toml:"legacy-rejections"`

	Quirks Quirks `toml:"quirks"`
}

// Account is an account that a user can sign on to.
type Account struct {
	ID       string `toml:"id"`
	Username string `toml:"username"`
	Password string `toml:"password"`
}

// Quirks are the fields of [agstest.Quirks].
type Quirks struct {
	OpaqueTokens        bool     `toml:"opaque-tokens"`
	MillisecondClaims   bool     `toml:"millisecond-claims"`
	OmitClaims          []string `toml:"omit-claims"`
	StringLifetimes     bool     `toml:"string-lifetimes"`
	RepeatFixedLifetime bool     `toml:"repeat-fixed-lifetime"`
	CapLifetimes        bool     `toml:"cap-lifetimes"`
	OmitFields          []string `toml:"omit-fields"`
	OmitOnRefresh       []string `toml:"omit-on-refresh"`
	TokenType           string   `toml:"token-type"`
	SignOnStatus        int      `toml:"sign-on-status"`
	RefreshStatus       int      `toml:"refresh-status"`
	RefusalStatus       int      `toml:"refusal-status"`
	UserTokenInAccounts bool     `toml:"user-token-in-accounts"`
	RequireBearer       bool     `toml:"require-bearer"`
	RequireBare         bool     `toml:"require-bare"`
	RejectionStatus     int      `toml:"rejection-status"`
	RejectionCode       string   `toml:"rejection-code"`
}

// Default returns the settings of a gateway on free ports.
func Default() Settings { return Settings{Listen: "127.0.0.1:0", AdminListen: "127.0.0.1:0"} }

// adminOff is the address of no admin interface.
const adminOff = "off"

func (s Settings) hasAdmin() bool { return s.AdminListen != adminOff }

// config returns the configuration of the server, with its certificate. It makes the
// certificate if there is none.
func (s Settings) config() (agstest.Config, error) {
	if err := s.check(); err != nil {
		return agstest.Config{}, err
	}
	cfg := agstest.Config{
		Addr: s.Listen, AdvertiseURL: s.AdvertiseURL, Skew: s.Skew.Duration,
		AccessLifetime:  s.AccessLifetime.Duration,
		RefreshLifetime: s.RefreshLifetime.Duration,
		FixedLifetime:   s.FixedLifetime.Duration,
		AuthServiceIDs:  s.Services, TenantID: s.Tenant, Accounts: s.accounts(), DeviceLimit: s.DeviceLimit,
		OptionalParameters: s.OptionalParameters, ReusableRefreshTokens: s.ReusableRefreshTokens,
		ReuseGrace: s.ReuseGrace.Duration, AccessEndsWithSession: s.AccessEndsWithSession,
		NewestAccessOnly: s.NewestAccessOnly, LegacyRejections: s.LegacyRejections,
		Dialect: s.dialect(), Quirks: agstest.Quirks(s.Quirks),
	}
	if s.TLS == "" {
		return cfg, nil
	}
	var err error
	cfg.Certificate, err = certificateIn(s.TLS, s.hosts())
	return cfg, err
}

func (s Settings) dialect() agstest.Dialect {
	if s.Dialect == "ags" {
		return agstest.AGS
	}
	return agstest.Dialect(s.Dialect)
}

func (s Settings) accounts() []agstest.Account {
	var accounts []agstest.Account
	for _, a := range s.Accounts {
		accounts = append(accounts, agstest.Account(a))
	}
	for range s.UserAccounts {
		accounts = append(accounts, agstest.Account{Username: agstest.DefaultUsername, Password: agstest.DefaultPassword})
	}
	return accounts
}

// hosts returns the names and addresses by which clients call the gateway.
func (s Settings) hosts() []string {
	hosts := []string{"localhost", "127.0.0.1", "::1"}
	if u, err := url.Parse(s.AdvertiseURL); err == nil && u.Hostname() != "" {
		hosts = append(hosts, u.Hostname())
	}
	host, _, _ := net.SplitHostPort(s.Listen)
	if ip := net.ParseIP(host); host != "" && (ip == nil || !ip.IsUnspecified()) {
		hosts = append(hosts, host)
	}
	return hosts
}

// check returns a usage error if a setting makes no sense.
func (s Settings) check() error {
	for _, err := range []error{
		checkAddress("listen", s.Listen), s.checkAdmin(), s.checkURL(), s.checkLifetimes(), s.checkDialect(),
		s.checkAccounts(), s.Quirks.check(),
	} {
		if err != nil {
			return &exit.Error{Status: exit.Usage, Err: err}
		}
	}
	return nil
}

func checkAddress(name, addr string) error {
	_, port, err := net.SplitHostPort(addr)
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	if err != nil {
		return fmt.Errorf("%s: %q is not an address; use one like 127.0.0.1:8080, with port 0 for a free one", name, addr)
	}
	return nil
}

func (s Settings) checkAdmin() error {
	if !s.hasAdmin() {
		return nil
	}
	for _, host := range s.AdminHosts {
		if net.ParseIP(host) == nil && (host == "" || strings.ContainsAny(host, ":/ ")) {
			return fmt.Errorf("admin-hosts: %q is no host name; write the name alone, without a port", host)
		}
	}
	return checkAddress("admin-listen", s.AdminListen)
}

func (s Settings) checkURL() error {
	u, err := url.Parse(s.AdvertiseURL)
	switch {
	case s.AdvertiseURL == "":
		return nil
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "":
		return errors.New("advertise-url: not a URL; use one like https://gateway.test:8443")
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return errors.New("advertise-url: a URL with a user, a query or a fragment; leave those out")
	}
	return nil
}

func (s Settings) checkLifetimes() error {
	for name, d := range map[string]Duration{
		"access-lifetime": s.AccessLifetime, "refresh-lifetime": s.RefreshLifetime, "fixed-lifetime": s.FixedLifetime,
	} {
		if d.Given && d.Duration <= 0 {
			return fmt.Errorf("%s: %v is no lifetime; use one like 5s or 1h30m", name, d.Duration)
		}
	}
	if s.ReuseGrace.Duration < 0 {
		return fmt.Errorf("reuse-grace: %v is negative; use a duration like 5s", s.ReuseGrace.Duration)
	}
	return nil
}

func (s Settings) checkDialect() error {
	switch s.dialect() {
	case agstest.AGS, agstest.IASv3, agstest.IASv2:
		return nil
	}
	return fmt.Errorf("dialect: there is no %q; use ags, %s or %s", s.Dialect, agstest.IASv3, agstest.IASv2)
}

func (s Settings) checkAccounts() error {
	switch {
	case s.UserAccounts < 0:
		return errors.New("user-accounts: negative; use a number from 1")
	case s.UserAccounts > 0 && len(s.Accounts) > 0:
		return errors.New("user-accounts and account: both are set; use one of them")
	}
	seen := map[string]bool{}
	for i, a := range s.Accounts {
		if a.Username == "" || strings.Contains(a.ID, "/") {
			return fmt.Errorf("account %d: no username, or an id with a slash", i+1)
		}
		if a.ID != "" && seen[a.ID] {
			return fmt.Errorf("account %d: there is another with the id %q", i+1, a.ID)
		}
		seen[a.ID] = true
	}
	return nil
}

func (q Quirks) check() error {
	for name, status := range map[string]int{
		"sign-on-status": q.SignOnStatus, "refresh-status": q.RefreshStatus,
		"refusal-status": q.RefusalStatus, "rejection-status": q.RejectionStatus,
	} {
		if status != 0 && (status < 200 || status > 599) {
			return fmt.Errorf("quirks.%s: %d is no status; use one from 200 to 599", name, status)
		}
	}
	if q.RequireBearer && q.RequireBare {
		return errors.New("quirks: require-bearer and require-bare exclude each other; use one of them")
	}
	return nil
}
