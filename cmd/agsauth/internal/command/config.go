package command

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/agsauth/agsauth/cmd/agsauth/internal/config"
)

func newConfig(env *Env) *cobra.Command {
	cmd := &cobra.Command{
		Use: "config", GroupID: groupOther, Args: noArgs, RunE: needsCommand,
		Short: "Show the settings, and where each comes from",
		Long:  "Config has the command show, which shows the settings of the profile and where each comes from.",
	}
	cmd.AddCommand(newConfigShow(env))
	return cmd
}

func newConfigShow(env *Env) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: "show", Args: noArgs,
		Short: "Show the settings of the profile and where each comes from",
		Long: `Show prints each setting of the profile, and where it comes from. A flag goes before an
environment variable, that before the configuration file, and that before what the
last sign-on has remembered. If --profile is given, the values of that profile go
before the environment.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			resolved, err := resolve(env, cmd)
			if err != nil {
				return err
			}
			rows := rowsOf(resolved)
			if asJSON {
				encoder := json.NewEncoder(env.Out)
				encoder.SetIndent("", "  ")
				err = encoder.Encode(rows)
			} else {
				err = printRows(env, rows)
			}
			if err != nil {
				return err
			}
			_, err = resolved.Settings()
			return err
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	addSettings(cmd)
	return cmd
}

// row is a line of the output.
type row struct {
	Key    string `json:"key"`
	Value  string `json:"value"`
	Origin string `json:"origin,omitempty"`
	Env    string `json:"env,omitempty"`
}

// rowsOf returns the settings. The values of parameters are not shown, since they may
// be passwords.
func rowsOf(r *config.Resolved) []row {
	file := row{Key: config.FlagConfig, Value: r.File.Text, Origin: r.File.Origin, Env: "AGSAUTH_CONFIG"}
	if file.Origin == "" {
		file.Origin = "default; there is no such file"
	}
	rows := []row{
		{Key: config.FlagProfile, Value: r.Profile.Text, Origin: r.Profile.Origin, Env: "AGSAUTH_PROFILE"},
		file,
	}
	for _, s := range config.All() {
		v := r.Values[s.Key]
		rows = append(rows, row{Key: s.Key, Value: v.Display(), Origin: v.Origin, Env: s.Env()})
	}
	for _, name := range slices.Sorted(maps.Keys(r.Parameters)) {
		rows = append(rows, row{Key: "parameters." + name, Value: "[redacted]", Origin: r.InFile()})
	}
	for _, name := range slices.Sorted(maps.Keys(r.Headers)) {
		rows = append(rows, row{Key: "headers." + name, Value: "[redacted]", Origin: r.InFile()})
	}
	return rows
}

func printRows(env *Env, rows []row) error {
	table := tabwriter.NewWriter(env.Out, 0, 0, 2, ' ', 0)
	for _, r := range rows {
		if r.Origin == "" {
			r.Origin = "not set; " + r.Env
		}
		fmt.Fprintf(table, "%s\t%s\t%s\n", r.Key, r.Value, r.Origin)
	}
	return table.Flush()
}
