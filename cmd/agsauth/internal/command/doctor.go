package command

import (
	"context"
	"encoding/json"
	"os"

	"github.com/redis/go-redis/v9/logging"
	"github.com/spf13/cobra"

	"github.com/agsauth/agsauth/clock"
	"github.com/agsauth/agsauth/cmd/agsauth/internal/doctor"
	"github.com/agsauth/agsauth/cmd/agsauth/internal/exit"
	"github.com/agsauth/agsauth/cmd/agsauth/internal/profile"
	"github.com/agsauth/agsauth/cmd/agsauth/internal/terminal"
	"github.com/agsauth/agsauth/store"
)

func newDoctor(env *Env) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: "doctor", GroupID: groupOther, Args: noArgs,
		Short: "Find out what is wrong, and what to do about it",
		Long: `Doctor checks the configuration, the way to the gateway, the clock, the files and the
session. It changes nothing, signs on nowhere and refreshes no token. What it prints
has no token, password or account in it, so that it can be pasted. A warning is no
failure: the exit status is 1 if a check has failed.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			report := doctor.Run(cmd.Context(), doctorConfig(env, cmd))
			if ended := context.Cause(cmd.Context()); ended != nil {
				return ended
			}
			if err := printReport(env, report, asJSON); err != nil {
				return err
			}
			if report.Summary.Failures > 0 {
				return &exit.Error{Status: exit.Failure}
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	addSettings(cmd)
	return cmd
}

func printReport(env *Env, report doctor.Report, asJSON bool) error {
	if !asJSON {
		var paint func(doctor.Level, string) string
		if terminal.ViewOf(env.Out, os.Getenv).Color {
			paint = doctor.Paint
		}
		return report.Print(env.Out, paint)
	}
	encoder := json.NewEncoder(env.Out)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	return encoder.Encode(report)
}

// doctorConfig resolves and opens as much as it can. What cannot be opened is part of
// the report.
func doctorConfig(env *Env, cmd *cobra.Command) doctor.Config {
	// The logger of go-redis may quote what it has received.
	logging.Disable()
	cfg := doctor.Config{LookupEnv: env.LookupEnv, Clock: clock.Real{}, CanPrompt: canPrompt()}
	cfg.Home, _ = os.UserHomeDir()
	cfg.Resolved, cfg.ResolveErr = resolve(env, cmd)
	if cfg.ResolveErr != nil {
		return cfg
	}
	cfg.Settings, cfg.SettingsErr = cfg.Resolved.Settings()
	cfg.Transport, cfg.CAErr = profile.Transport(cfg.Settings.CAFile)
	if cfg.CAErr != nil {
		cfg.Transport, _ = profile.Transport("")
	}
	if cfg.Settings.Gateway != "" {
		cfg.Client, cfg.ClientErr = profile.ClientOver(cfg.Settings, cfg.Transport)
	}
	cfg.Key = func() (store.Key, error) { return profile.StoredKey(env.Keyring, cfg.Settings.Session) }
	return cfg
}

// canPrompt reports whether there is a terminal, as agsauth login opens it.
func canPrompt() bool {
	t, err := terminal.Open()
	return err == nil && t.Close() == nil
}
