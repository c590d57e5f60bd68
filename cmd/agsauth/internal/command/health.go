package command

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/agsauth/agsauth/cmd/agsauth/internal/daemon"
	"github.com/agsauth/agsauth/cmd/agsauth/internal/exit"
)

func newHealth(env *Env) *cobra.Command {
	var h daemon.Health
	cmd := &cobra.Command{
		Use: "health [flags] ADDRESS", GroupID: groupUse, Args: oneArg("ADDRESS"),
		Short: "Ask a daemon or proxy whether it has a token",
		Long: `Health asks the daemon or proxy whose --ops-listen is ADDRESS whether it has a live token,
and ends with status 0 if it has and 1 if not. It is for images without a shell and curl.`,
		Example: `    agsauth health 127.0.0.1:9464
    agsauth health --wait 30s unix:/run/agsauth/ops.sock`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := notBelowZero("wait", h.Wait); err != nil {
				return err
			}
			h.Target = args[0]
			answer, err := h.Ask(cmd.Context())
			switch {
			case errors.Is(err, daemon.ErrAddress):
				return exit.Usagef("%w", err)
			case cmd.Context().Err() != nil:
				return err
			case err != nil:
				return &exit.Error{Status: exit.Failure, Err: err}
			}
			_, err = fmt.Fprintln(env.Out, answer)
			return err
		},
	}
	cmd.Flags().BoolVar(&h.Live, "live", false, "ask whether it runs, with or without a token")
	cmd.Flags().DurationVar(&h.Wait, "wait", 0, "ask again for this long, until it has a token")
	called("DURATION", cmd.Flags(), "wait")
	return cmd
}
