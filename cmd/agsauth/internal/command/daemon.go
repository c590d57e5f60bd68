package command

import (
	"io/fs"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/agsauth/agsauth/cmd/agsauth/internal/daemon"
	"github.com/agsauth/agsauth/cmd/agsauth/internal/exit"
)

func newDaemon(env *Env) *cobra.Command {
	var flags daemonFlags
	cmd := &cobra.Command{
		Use: "daemon", GroupID: groupUse, Args: noArgs,
		Short: "Keep the session fresh, and the token in files",
		Long: `Daemon keeps the session fresh for as long as it runs. It notices within a second or two
that another process has signed on or out. It signs on by itself if it has parameters,
from --param-file (a file, or - for standard input) or systemd credentials. Otherwise
someone must run agsauth login when the session ends. After agsauth logout it does not
sign on again until someone runs agsauth login.

Each --sink is a file with the token. It is replaced as a whole, and removed when the
session has ended; for Envoy the secret in it is then empty. Of systemd's credentials,
agsauth.params has parameters as a file has them, and agsauth.param.NAME the value of one.

SIGTERM ends it: it saves a refresh that is under way first, even after a second signal.
SIGHUP makes it read the configuration, the certificates and the parameters again.`,
		Example: `    agsauth daemon --sink /run/agsauth/token --ops-listen 127.0.0.1:9464
    agsauth daemon --param-file /run/secrets/agsauth --sink envoy-sds:/run/agsauth/sds.json`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return runDaemon(env, cmd, flags)
		},
	}
	cmd.Flags().StringArrayVar(&flags.sinks, "sink", nil, "keep the token in this file; FORMAT is raw (the default), header, json, curl or envoy-sds; may be repeated")
	called("[FORMAT:]FILE", cmd.Flags(), "sink")
	cmd.Flags().StringVar(&flags.sinkMode, "sink-mode", "0600", "the mode of these files, 0600, or 0640, with which the group can read them")
	called("MODE", cmd.Flags(), "sink-mode")
	completesWith(cmd, "sink-mode", "0600", "0640")
	flags.engine.add(cmd)
	addSettings(cmd)
	return cmd
}

// daemonFlags are the flags of the command daemon.
type daemonFlags struct {
	sinks    []string
	sinkMode string
	engine   engineFlags
}

// config returns the engine's configuration. All errors are usage errors.
func (f daemonFlags) config() (cfg daemon.Config, err error) {
	mode, err := strconv.ParseUint(f.sinkMode, 8, 32)
	if err != nil || mode&^0o640 != 0 || mode&0o400 == 0 {
		return cfg, exit.Usagef("flag --sink-mode: %q is not a mode of these files; use 0600 or 0640", f.sinkMode)
	}
	for _, text := range f.sinks {
		sink, err := daemon.ParseSink(text, fs.FileMode(mode))
		if err != nil {
			return cfg, exit.Usagef("flag --sink: %w", err)
		}
		cfg.Sinks = append(cfg.Sinks, sink)
	}
	return cfg, nil
}

func runDaemon(env *Env, cmd *cobra.Command, flags daemonFlags) error {
	cfg, err := flags.config()
	if err != nil {
		return err
	}
	return flags.engine.run(env, cmd, cfg, nil)
}
