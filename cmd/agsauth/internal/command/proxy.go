package command

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/url"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/agsauth/agsauth/cmd/agsauth/internal/daemon"
	"github.com/agsauth/agsauth/cmd/agsauth/internal/exit"
	"github.com/agsauth/agsauth/cmd/agsauth/internal/proxy"
	"github.com/agsauth/agsauth/cmd/agsauth/internal/reachable"
	"github.com/agsauth/agsauth/tokensource"
)

func newProxy(env *Env) *cobra.Command {
	var flags proxyFlags
	cmd := &cobra.Command{
		Use: "proxy", GroupID: groupUse, Args: noArgs,
		Short: "Serve a local proxy that adds a token to each request",
		Long: `Proxy passes requests to one API and adds a token to each, so that a program in any
language needs none: it uses the proxy's URL as the API's. Proxy prints its URL as one line
of JSON, and keeps the session fresh like agsauth daemon.

Requests that a browser sends for another site are refused, and so are other host names
than this machine's; see --allow-origin and --allow-host. An Authorization that a request
has is replaced. A rejected token is replaced as well, and the request sent once more,
unless its body is longer than 64 KiB, or a token was replaced less than 10 seconds, or
half its life, ago. Without a session, requests are answered with 503.

Anyone on this machine can use the proxy, unless it has a key or listens on a --socket.
Other machines can reach it only with --tls and a key.`,
		Example: `    agsauth proxy --api https://api.example.com/v1 --port 8180
    curl http://127.0.0.1:8180/profile
    agsauth proxy --socket "$XDG_RUNTIME_DIR/agsauth/proxy"`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := flags.check(cmd); err != nil {
				return err
			}
			return flags.engine.run(env, cmd, daemon.Config{}, func(p *opened, source *tokensource.Source, where map[string]string) (daemon.Server, error) {
				return flags.server(env, cmd, p, source, where)
			})
		},
	}
	flags.add(cmd)
	flags.engine.add(cmd)
	addSettings(cmd)
	return cmd
}

// proxyFlags are the flags of the command proxy.
type proxyFlags struct {
	engine                                 engineFlags
	upstream, listen, socket, tls, keyFile string
	port                                   uint16
	key, forwarded, accessLog              bool
	allowHosts, allowOrigins               []string
	drain                                  time.Duration
}

// defaultPort is the port on which the proxy listens by default.
const defaultPort = 8180

func (f *proxyFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	text := func(to *string, name, placeholder, usage string) {
		flags.StringVar(to, name, "", usage)
		called(placeholder, flags, name)
	}
	text(&f.upstream, "upstream", "URL", "the base URL of the API, if not that of the profile")
	flags.Uint16Var(&f.port, "port", defaultPort, "listen on this port of 127.0.0.1; 0 is a free one")
	called("PORT", flags, "port")
	text(&f.listen, "listen", "HOST:PORT", "listen on this address instead of 127.0.0.1")
	text(&f.socket, "socket", "FILE", "listen on a Unix socket instead; its folder must be closed to others, and is made")
	text(&f.tls, "tls", "FOLDER", "speak TLS with cert.pem and key.pem of this folder")
	flags.BoolVar(&f.key, "key", false, "require a new key in the header field "+proxy.KeyHeader+", and print it beside the URL")
	text(&f.keyFile, "key-file", "FILE", "require the key in this file, which is made if it does not exist")
	flags.StringArrayVar(&f.allowHosts, "allow-host", nil, "also answer for this host name; may be repeated")
	called("NAME", flags, "allow-host")
	flags.StringArrayVar(&f.allowOrigins, "allow-origin", nil, "let web pages of this origin use the proxy, as https://app.example.com; may be repeated")
	called("ORIGIN", flags, "allow-origin")
	flags.DurationVar(&f.drain, "drain", proxy.DefaultDrainTimeout, "how long requests in flight may take to end after SIGTERM")
	called("DURATION", flags, "drain")
	flags.BoolVar(&f.forwarded, "forwarded", false, "add X-Forwarded-For, -Host and -Proto")
	flags.BoolVar(&f.accessLog, "access-log", false, "log the method, path, status, bytes and duration of each request on standard error")
}

// check refuses flags that exclude each other.
func (f *proxyFlags) check(cmd *cobra.Command) error {
	changed := cmd.Flags().Changed
	switch {
	case changed("listen") && changed("port"):
		return exit.Usagef("flags --listen and --port exclude each other; put the port into --listen")
	case f.socket != "" && (changed("listen") || changed("port") || f.tls != ""):
		return exit.Usagef("flag --socket excludes --listen, --port and --tls")
	case f.drain < 0:
		return exit.Usagef("flag --drain: %v is less than nothing; use 10s, or 0s to cut them off at once", f.drain)
	case f.key && f.keyFile != "":
		return exit.Usagef("flags --key and --key-file exclude each other")
	}
	return nil
}

// server returns the proxy as a server that listens, and where it does.
func (f *proxyFlags) server(env *Env, cmd *cobra.Command, p *opened, source *tokensource.Source, where map[string]string) (server daemon.Server, err error) {
	cfg, err := f.config(env, p)
	if err != nil {
		return server, err
	}
	cfg.Source = source
	if f.key {
		where["key"] = cfg.Key.Reveal()
	}
	handler, err := proxy.New(cfg)
	if err != nil {
		return server, &exit.Error{Status: exit.Usage, Err: err}
	}
	listener, err := f.listener(cmd.Context(), !cfg.Key.IsZero(), where)
	if err != nil {
		return server, err
	}
	serve := func(ctx context.Context) error { return handler.Serve(ctx, listener) }
	return daemon.Server{Name: "the proxy", Serve: serve}, nil
}

// config returns the proxy's configuration, without the session.
func (f *proxyFlags) config(env *Env, p *opened) (cfg proxy.Config, err error) {
	cfg = proxy.Config{
		Upstream: p.API, Base: p.apiTransport(), Forwarded: f.forwarded,
		AllowHosts: f.allowHosts, AllowOrigins: f.allowOrigins, DrainTimeout: max(f.drain, time.Nanosecond),
	}
	if f.upstream != "" {
		if cfg.Upstream, err = url.Parse(f.upstream); err != nil {
			return cfg, exit.Usagef("flag --upstream: it is no URL; write it as https://api.example.com/v1")
		}
	}
	if cfg.Upstream == nil {
		return cfg, exit.Usagef("no API is set; use --upstream URL, --api URL, AGSAUTH_API, or the configuration file")
	}
	cfg.LoginCommand = p.resolved.Command("login")
	switch {
	case f.key:
		cfg.Key = proxy.NewKey()
	case f.keyFile != "":
		if cfg.Key, err = proxy.KeyFile(f.keyFile); err != nil {
			return cfg, &exit.Error{Status: exit.Usage, Err: err}
		}
	}
	if f.accessLog {
		cfg.AccessLog, err = f.engine.logger(env)
	}
	return cfg, err
}

// listener listens where the flags say, and adds where that is.
func (f *proxyFlags) listener(ctx context.Context, hasKey bool, where map[string]string) (listener net.Listener, err error) {
	var config *tls.Config
	scheme := "http://"
	if f.tls != "" {
		scheme = "https://"
		if config, err = proxy.TLSConfig(f.tls); err != nil {
			return nil, &exit.Error{Status: exit.Usage, Err: err}
		}
	}
	if f.socket != "" {
		listener, err = proxy.ListenUnix(ctx, f.socket)
		where["socket"] = f.socket
	} else {
		here := net.JoinHostPort("127.0.0.1", strconv.Itoa(int(f.port)))
		listener, err = proxy.ListenTCP(ctx, cmp.Or(f.listen, here), config, hasKey)
	}
	if errors.Is(err, proxy.ErrUnsafe) {
		return nil, &exit.Error{Status: exit.Usage, Err: err}
	}
	if err == nil && f.socket == "" {
		where["url"] = scheme + reachable.HostPort(listener.Addr())
	}
	return listener, err
}
