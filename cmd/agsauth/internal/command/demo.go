package command

import (
	"github.com/spf13/cobra"

	"github.com/agsauth/agsauth/cmd/agsauth/internal/demo"
	"github.com/agsauth/agsauth/cmd/agsauth/internal/exit"
)

func newDemo(env *Env) *cobra.Command {
	show := demo.Command{In: env.In, Out: env.Out}
	var many bool
	cmd := &cobra.Command{
		Use: "demo", GroupID: groupOther, Args: noArgs,
		Short: "Show how the library gets workers through a gateway's faults",
		Long:  demo.Description,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if many && show.Fast {
				return exit.Usagef("flag --fast: it cannot be used with --many")
			}
			if many {
				return demo.Many{Out: env.Out}.Run(cmd.Context())
			}
			return show.Run(cmd.Context())
		},
	}
	cmd.Flags().BoolVar(&show.Fast, "fast", false, "take 9 seconds instead of 45")
	cmd.Flags().BoolVar(&show.Plain, "plain", false, "print lines of text, on a terminal too")
	cmd.Flags().BoolVar(&many, "many", false, "show how sessions that expire together overload a gateway, and how a gate prevents it")
	return cmd
}
