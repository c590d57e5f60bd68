package command

import (
	"cmp"
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

func newVersion(env *Env) *cobra.Command {
	return &cobra.Command{
		Use: "version", GroupID: groupOther, Args: noArgs,
		Short: "Print the version",
		Long:  "Version prints the version of this program, and that of the Go release it was built with.",
		RunE: func(*cobra.Command, []string) error {
			return printVersion(env)
		},
	}
}

func printVersion(env *Env) error {
	env.print(fmt.Sprintln("agsauth", version(), runtime.Version()))
	return nil
}

// version returns the version of this program.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "(unknown)"
	}
	return cmp.Or(info.Main.Version, "(devel)")
}
