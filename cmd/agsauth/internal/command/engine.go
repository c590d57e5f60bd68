package command

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/agsauth/agsauth/cmd/agsauth/internal/daemon"
	"github.com/agsauth/agsauth/cmd/agsauth/internal/exit"
	"github.com/agsauth/agsauth/tokensource"
)

// engineFlags are the flags of the commands that keep a session fresh as they run.
type engineFlags struct {
	ops, account, logFormat string
	verbose                 bool
}

func (f *engineFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.ops, "ops-listen", "", "serve /livez, /readyz, /startupz and /metrics here: HOST:PORT or unix:FILE")
	called("ADDRESS", flags, "ops-listen")
	flags.StringVar(&f.account, "account", "", "the account to sign on to if several match: its identifier, or NAME=VALUE of its description")
	called("ACCOUNT", flags, "account")
	flags.StringVar(&f.logFormat, "log-format", "text", "text or json")
	called("FORMAT", flags, "log-format")
	completesWith(cmd, "log-format", "text", "json")
	flags.BoolVarP(&f.verbose, "verbose", "v", false, "log each refresh")
}

// logger returns the log on standard error.
func (f *engineFlags) logger(env *Env) (*slog.Logger, error) {
	options := &slog.HandlerOptions{Level: slog.LevelInfo}
	if f.verbose {
		options.Level = slog.LevelDebug
	}
	switch f.logFormat {
	case "text":
		return slog.New(slog.NewTextHandler(env.Err, options)), nil
	case "json":
		return slog.New(slog.NewJSONHandler(env.Err, options)), nil
	}
	return nil, exit.Usagef("flag --log-format: there is no format %q; use text or json", f.logFormat)
}

// run runs the engine until a signal ends it. serverOf, if not nil, makes a server that runs
// with it.
func (f *engineFlags) run(env *Env, cmd *cobra.Command, cfg daemon.Config, serverOf serverMaker) (err error) {
	if cfg.Logger, err = f.logger(env); err != nil {
		return err
	}
	p, err := open(env, cmd)
	if err != nil {
		return err
	}
	defer closeAll(&err, p.Close)
	session, err := newLiveSession(p, cmd, f.account, cfg.Logger)
	if err != nil {
		return err
	}
	cfg.Version, cfg.Reload = version(), session.Reload
	cfg.SignsOn, cfg.LoginCommand = session.alone, p.resolved.Command("login")
	if !p.IsRedis() {
		cfg.WatchedFile = p.Settings.Store
	}
	socket, _ := env.LookupEnv("NOTIFY_SOCKET")
	cfg.Notify = daemon.Notifier(socket)
	where := map[string]string{}
	if f.ops != "" {
		if !daemon.IsAddress(f.ops) {
			return exit.Usagef("flag --ops-listen: %q is not an address; use HOST:PORT, with port 0 for a free one, or unix:FILE", f.ops)
		}
		if cfg.Ops, err = daemon.Listen(cmd.Context(), f.ops); err != nil {
			return &exit.Error{Status: exit.Failure, Err: err, Hint: "choose another address with --ops-listen"}
		}
		where["ops"] = daemon.URLOf(cfg.Ops.Addr())
	}
	cfg.Stops, cfg.Reloads = env.takeSignals()
	d, err := daemon.New(cfg)
	if err != nil {
		return &exit.Error{Status: exit.Usage, Err: err}
	}
	source, err := p.newSource(tokensource.Config{
		Refresher: session, Login: session.login(), OnEvent: d.OnEvent, Logger: cfg.Logger,
	})
	if err != nil {
		return err
	}
	servers, err := makeServers(serverOf, p, source, where)
	if err != nil {
		return err
	}
	if err := printAddresses(env, where); err != nil {
		return err
	}
	return d.Run(cmd.Context(), source, servers...)
}

// makeServers returns what serverOf makes, if it is not nil.
func makeServers(serverOf serverMaker, p *opened, source *tokensource.Source, where map[string]string) ([]daemon.Server, error) {
	if serverOf == nil {
		return nil, nil
	}
	server, err := serverOf(p, source, where)
	return []daemon.Server{server}, err
}

// printAddresses prints one JSON line that says where it listens.
func printAddresses(env *Env, where map[string]string) error {
	if len(where) == 0 {
		return nil
	}
	if err := json.NewEncoder(env.Out).Encode(where); err != nil {
		return fmt.Errorf("print the addresses: %w", err)
	}
	return nil
}

// serverMaker returns a server over a session, and adds its URL to where.
type serverMaker func(p *opened, source *tokensource.Source, where map[string]string) (daemon.Server, error)

// takeSignals makes the command handle signals itself.
func (e *Env) takeSignals() (stops, reloads chan os.Signal) {
	stops, reloads = make(chan os.Signal, 4), make(chan os.Signal, 1)
	signal.Notify(stops, os.Interrupt, syscall.SIGTERM, syscall.SIGQUIT)
	signal.Notify(reloads, syscall.SIGHUP)
	close(e.signalsTaken)
	return stops, reloads
}
