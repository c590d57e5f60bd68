package command

import (
	"github.com/spf13/cobra"

	"github.com/agsauth/agsauth/cmd/agsauth/internal/demo"
)

func newDemo(env *Env) *cobra.Command {
	show := demo.Command{In: env.In, Out: env.Out}
	cmd := &cobra.Command{
		Use: "demo", GroupID: groupOther, Args: noArgs,
		Short: "Show how the library gets workers through a gateway's faults",
		Long:  demo.Description,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return show.Run(cmd.Context())
		},
	}
	cmd.Flags().BoolVar(&show.Fast, "fast", false, "take 9 seconds instead of 45")
	cmd.Flags().BoolVar(&show.Plain, "plain", false, "print lines of text, on a terminal too")
	return cmd
}
