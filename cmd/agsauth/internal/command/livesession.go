package command

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"sync/atomic"

	"github.com/spf13/cobra"

	"github.com/agsauth/agsauth/ags"
	"github.com/agsauth/agsauth/cmd/agsauth/internal/config"
	"github.com/agsauth/agsauth/cmd/agsauth/internal/credentials"
	"github.com/agsauth/agsauth/cmd/agsauth/internal/exit"
	"github.com/agsauth/agsauth/cmd/agsauth/internal/profile"
	"github.com/agsauth/agsauth/tokensource"
)

// liveSession calls the gateway for a command that runs for long. It reads the settings
// again when it is told to, and the parameters for each sign-on. It is safe for concurrent
// use.
type liveSession struct {
	env     *Env
	cmd     *cobra.Command
	account string
	log     *slog.Logger
	stdin   []byte // the parameters, if they are read from standard input
	alone   bool   // whether it can sign on by itself

	now atomic.Pointer[reading]
}

// reading is what the settings were when they were last read.
type reading struct {
	resolved *config.Resolved
	settings *config.Settings
	client   *ags.Client
}

// newLiveSession returns the session of a profile that was opened, after it has checked
// that the parameters can be read.
func newLiveSession(p *opened, cmd *cobra.Command, account string, log *slog.Logger) (*liveSession, error) {
	l := &liveSession{env: p.env, cmd: cmd, account: account, log: log}
	l.now.Store(&reading{p.resolved, p.Settings, p.Client})
	if p.ParamFile == credentials.StandardInput {
		var err error
		if l.stdin, err = io.ReadAll(p.env.In); err != nil {
			return nil, fmt.Errorf("read the sign-on parameters on standard input: %w", err)
		}
	}
	parameters, err := l.parameters(p.Settings)
	l.alone = len(parameters) > 0
	return l, err
}

// read reads the settings. What the open store and the session depend on must be the same
// as before.
func (l *liveSession) read() (*reading, error) {
	resolved, settings, err := settingsOf(l.env, l.cmd)
	if err != nil {
		return nil, err
	}
	if !isSameSession(l.now.Load().settings, settings) {
		return nil, exit.Usagef("the gateway, the tenant or the store has changed; restart agsauth to use the new one")
	}
	client, _, err := profile.NewClient(settings)
	if err != nil {
		return nil, err
	}
	return &reading{resolved, settings, client}, nil
}

func isSameSession(a, b *config.Settings) bool {
	return a.Gateway == b.Gateway && a.Tenant == b.Tenant && a.Store == b.Store && a.Session == b.Session && a.Keyring == b.Keyring
}

// parameters reads the parameters of a sign-on without a person. There are none if neither
// a file nor systemd has any.
func (l *liveSession) parameters(s *config.Settings) ([]ags.Parameter, error) {
	return readParameters(l.env, s.ParamFile, bytes.NewReader(l.stdin))
}

// Reload reads the settings again, and checks that the parameters can be read.
func (l *liveSession) Reload(context.Context) error {
	r, err := l.read()
	if err != nil {
		return err
	}
	if _, err := l.parameters(r.settings); err != nil {
		return err
	}
	l.now.Store(r)
	return nil
}

// Refresh implements [tokensource.Refresher].
func (l *liveSession) Refresh(ctx context.Context, t *ags.Token) (*ags.Token, error) {
	if l.now.Load().settings.Service == "" {
		// Another process may have signed on, and remembered at which service.
		if r, err := l.read(); err == nil {
			l.now.Store(r)
		}
	}
	return l.now.Load().client.Refresh(ctx, t)
}

// SignOut ends a session at the gateway.
func (l *liveSession) SignOut(ctx context.Context, t *ags.Token) error {
	return l.now.Load().client.SignOut(ctx, t)
}

// login returns what signs on without a person; nil if that is not possible.
func (l *liveSession) login() tokensource.LoginFunc {
	if !l.alone {
		return nil
	}
	return l.signOn
}

// signOn signs on with what the parameters are now.
func (l *liveSession) signOn(ctx context.Context, ended *tokensource.LoginRequiredError) (*ags.Token, error) {
	now := l.now.Load()
	if err := profile.CheckWritable(now.settings); err != nil {
		return nil, err
	}
	resolved := *now.resolved
	resolved.Values = maps.Clone(resolved.Values) // discovery may add the service
	s := &signingOn{
		env:   &Env{In: bytes.NewReader(l.stdin), LookupEnv: l.env.LookupEnv},
		flags: loginFlags{account: l.account}, resolved: &resolved, settings: now.settings,
	}
	attempt, err := s.prepare(ctx, tokensource.Status{AccountID: ended.AccountID})
	if err != nil {
		return nil, err
	}
	token, err := attempt.Login(ctx, ended)
	if err != nil {
		return nil, err
	}
	if s.settings != now.settings { // discovery has
		if client, _, err := profile.NewClient(s.settings); err == nil {
			l.now.CompareAndSwap(now, &reading{s.resolved, s.settings, client})
		}
	}
	if err := s.resolved.Remember(token.ClientID); err != nil {
		l.log.WarnContext(ctx, "other commands must be told the gateway", slog.Any("error", err))
	}
	return token, nil
}
