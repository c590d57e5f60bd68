package command

import (
	"context"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/agsauth/agsauth/cmd/agsauth/internal/child"
	"github.com/agsauth/agsauth/cmd/agsauth/internal/exit"
	"github.com/agsauth/agsauth/cmd/agsauth/internal/proxy"
	"github.com/agsauth/agsauth/tokensource"
)

// The variables that exec sets.
const (
	envToken    = "AGSAUTH_TOKEN"
	envProxyURL = "AGSAUTH_PROXY_URL"
	envProxyKey = "AGSAUTH_PROXY_KEY"
)

func newExec(env *Env) *cobra.Command {
	var useProxy bool
	var validFor time.Duration
	cmd := &cobra.Command{
		Use: "exec [flags] -- PROGRAM [ARGUMENT...]", GroupID: groupUse, Args: someArgs("PROGRAM"),
		Short: "Run a program with a token in its environment",
		Long: `Exec runs a program with an access token in ` + envToken + `. The token is not renewed, so
a program that runs longer than the token lives needs --proxy: the program then finds the
URL of a proxy of its own in ` + envProxyURL + `, which adds a token to each request, and in
` + envProxyKey + ` the key that it must send in the header field ` + proxy.KeyHeader + `.

The exit status is that of the program, or 125 if agsauth has failed, 126 if the program
cannot be executed, and 127 if it was not found.`,
		Example: `    agsauth exec -- sh -c 'curl -H "Authorization: Bearer $AGSAUTH_TOKEN" https://api.example.com/v1/profile'
    agsauth exec --proxy -- python3 worker.py`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := notBelowZero("min-validity", validFor); err != nil {
				return err
			}
			if useProxy && validFor > 0 {
				return exit.Usagef("flags --proxy and --min-validity exclude each other; the proxy renews its token by itself")
			}
			path, err := child.Find(args[0])
			if err != nil {
				return err
			}
			if useProxy {
				return runBehindProxy(env, cmd, path, args)
			}
			token, err := getToken(env, cmd, validFor)
			if err != nil {
				return env.own(err)
			}
			return child.Replace(path, args, child.Environ(os.Environ(), map[string]string{envToken: token.AccessToken}))
		},
	}
	cmd.Flags().SetInterspersed(false)
	cmd.Flags().BoolVar(&useProxy, "proxy", false, "run a proxy for the program, on a free port of this machine")
	cmd.Flags().DurationVar(&validFor, "min-validity", 0, "without --proxy: use a token that is valid for this long")
	called("DURATION", cmd.Flags(), "min-validity")
	addSettings(cmd)
	return cmd
}

// runBehindProxy runs a program beside a proxy of its own, and ends the proxy with it.
func runBehindProxy(env *Env, cmd *cobra.Command, path string, args []string) (err error) {
	p, err := open(env, cmd)
	if err != nil {
		return env.own(err)
	}
	defer closeAll(&err, p.Close)
	if p.API == nil {
		return env.own(exit.Usagef("no API is set; use --api URL, AGSAUTH_API, or the configuration file"))
	}
	source, err := p.newSource(tokensource.Config{})
	if err != nil {
		return env.own(err)
	}
	defer closeAll(&err, source.Close)
	// A session that has ended is told before the program begins.
	if _, err := source.TokenContext(cmd.Context()); err != nil {
		return env.own(err)
	}
	key := proxy.NewKey()
	server, err := proxy.New(proxy.Config{Upstream: p.API, Source: source, Base: p.apiTransport(), Key: key})
	if err != nil {
		return env.own(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(cmd.Context()))
	listener, err := proxy.ListenTCP(ctx, "127.0.0.1:0", nil, true)
	if err != nil {
		cancel()
		return env.own(err)
	}
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		keepFresh(ctx, source)
	}()
	served := serve(ctx, server, listener)
	defer func() { cancel(); <-stopped; <-served }()

	signals := make(chan os.Signal, 16)
	signal.Notify(signals, child.Signals()...)
	close(env.signalsTaken)
	// A signal that has arrived before that has ended the context.
	defer context.AfterFunc(cmd.Context(), func() { signals <- syscall.SIGTERM })()
	return child.Run(path, args, child.Environ(os.Environ(), map[string]string{
		envProxyURL: "http://" + listener.Addr().String(), envProxyKey: key.Reveal(),
	}), signals)
}

// own gives an error of this program its status, and says what to do.
func (e *Env) own(err error) error { return child.Own(err, e.commandOf()) }

// keepFresh keeps an idle session fresh until ctx ends.
func keepFresh(ctx context.Context, source *tokensource.Source) { _ = source.Run(ctx) }

// serve serves until ctx ends. The channel is closed when the last request has ended.
func serve(ctx context.Context, server *proxy.Proxy, listener net.Listener) <-chan struct{} {
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(ctx, listener)
	}()
	return done
}

// apiTransport returns a transport for requests to the API that keeps responses as they
// are.
func (o *opened) apiTransport() *http.Transport {
	return proxy.NewTransport(o.Transport.TLSClientConfig)
}
