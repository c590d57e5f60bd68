// Package profile opens what the settings of a profile describe: the client of the
// gateway, the store of the session, and the session itself.
package profile

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"maps"
	"net/http"
	"os"
	"slices"

	"github.com/agsauth/agsauth/ags"
	"github.com/agsauth/agsauth/cmd/agsauth/internal/boundstore"
	"github.com/agsauth/agsauth/cmd/agsauth/internal/config"
	"github.com/agsauth/agsauth/cmd/agsauth/internal/exit"
	"github.com/agsauth/agsauth/tokensource"
)

// Profile is an open profile.
type Profile struct {
	*config.Settings
	// Client calls the gateway.
	Client *ags.Client
	// Store stores the session. It belongs to one Source.
	Store tokensource.Store
	// Transport trusts the authorities of the profile. It adds no token.
	Transport *http.Transport

	bound      *boundstore.Store
	closeStore func() error
}

// Open opens a profile. It calls neither the gateway nor the store, except that a
// session in Redis is read when it is used. The caller must close the result.
func Open(ctx context.Context, s *config.Settings, keys Keyring) (*Profile, error) {
	if s.Gateway == "" {
		return nil, exit.Usagef("no gateway is set; use --gateway URL, AGSAUTH_GATEWAY, or the configuration file, or run agsauth login")
	}
	client, transport, err := NewClient(s)
	if err != nil {
		return nil, err
	}
	p := &Profile{Settings: s, Client: client, Transport: transport, closeStore: func() error { return nil }}
	if err := p.openStore(ctx, keys); err != nil {
		return nil, err
	}
	p.bound = &boundstore.Store{Store: p.Store, Gateway: s.Gateway, Tenant: s.Tenant}
	p.Store = p.bound
	return p, nil
}

// NewClient returns a client of the profile's gateway, and its transport.
func NewClient(s *config.Settings) (*ags.Client, *http.Transport, error) {
	transport, err := Transport(s.CAFile)
	if err != nil {
		return nil, nil, err
	}
	client, err := ClientOver(s, transport)
	if err != nil {
		return nil, nil, &exit.Error{Status: exit.Usage, Err: err, Hint: "agsauth config show tells where each setting comes from"}
	}
	return client, transport, nil
}

// Close releases what Open has opened.
func (p *Profile) Close() error { return p.closeStore() }

// NewSource returns the session of the profile. cfg has what the caller wants
// differently, such as Login or OnEvent.
func (p *Profile) NewSource(cfg tokensource.Config) (*tokensource.Source, error) {
	if cfg.Refresher == nil {
		cfg.Refresher = careful{p.Client, p.bound}
	}
	cfg.Store = p.Store
	cfg.RefreshBefore, cfg.RefreshTimeout = p.RefreshBefore, p.Timeout
	return tokensource.New(cfg)
}

// careful is a client that does not refresh while nothing can be saved, as on a full disk.
// A Source asks it to, because it can go on with a pair that is only in memory. But a
// command ends soon, and would take the only good pair with it.
type careful struct {
	*ags.Client

	store *boundstore.Store
}

// Refresh refreshes a pair, unless the last Save has failed: that of the mark that a
// refresh is under way.
func (c careful) Refresh(ctx context.Context, t *ags.Token) (*ags.Token, error) {
	if err := c.store.Unsaved(); err != nil {
		return nil, &exit.Error{
			Status: exit.Failure, Err: fmt.Errorf("the session is not refreshed, because it cannot be saved: %w", err),
			Hint: "make room or make its folder writable; agsauth doctor says more",
		}
	}
	return c.Client.Refresh(ctx, t)
}

func clientConfig(s *config.Settings, transport *http.Transport) ags.Config {
	cfg := ags.Config{
		BaseURL: s.Gateway, AuthServiceID: s.Service, TenantID: s.Tenant, Dialect: s.Dialect,
		HTTPClient: &http.Client{Transport: transport}, Timeout: s.Timeout,
		BareRefreshToken: s.BareRefreshToken, OmitParameters: s.OmitParameters, AllowInsecure: s.AllowInsecure,
	}
	for _, name := range slices.Sorted(maps.Keys(s.Parameters)) {
		cfg.Parameters = append(cfg.Parameters, ags.Parameter{Name: name, Value: s.Parameters[name]})
	}
	if len(s.Headers) > 0 {
		cfg.Header = http.Header{}
		for name, value := range s.Headers {
			cfg.Header.Set(name, value)
		}
	}
	return cfg
}

// Transport returns a transport that trusts the authorities of the system and those in
// a PEM file, if one is given.
func Transport(caFile string) (*http.Transport, error) {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	if caFile == "" {
		return transport, nil
	}
	content, err := os.ReadFile(caFile)
	if err != nil {
		return nil, exit.Usagef("the certificate authorities cannot be read: %w", err)
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	if !pool.AppendCertsFromPEM(content) {
		return nil, exit.Usagef("%s has no certificate in it; ca-file must be a PEM file", caFile)
	}
	transport.TLSClientConfig = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	return transport, nil
}
