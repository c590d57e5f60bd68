package command

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/agsauth/agsauth/ags"
	"github.com/agsauth/agsauth/cmd/agsauth/internal/exit"
	"github.com/agsauth/agsauth/tokensource"
)

func newLogout(env *Env) *cobra.Command {
	var forget bool
	cmd := &cobra.Command{
		Use: "logout", GroupID: groupSession, Args: noArgs,
		Short: "End the session, here and at the gateway",
		Long: `Logout ends the stored session, even if the gateway cannot be told. The status
is 4 then, and another logout tells it. The client identifier of the device is
kept for the next sign-on, unless --forget-device is given: the next sign-on
then registers a new device, and an account may have only a few.`,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			p, err := open(env, cmd)
			if err != nil {
				return err
			}
			defer closeAll(&err, p.Close)
			told := endSession(cmd.Context(), p)
			if exit.StatusOf(told) == exit.Failure || exit.StatusOf(told) == exit.Interrupted {
				return told
			}
			if forget {
				if err := errors.Join(p.Store.Delete(cmd.Context()), p.resolved.Forget()); err != nil {
					return fmt.Errorf("forget the device: %w", err)
				}
				env.print("The device is forgotten.\n")
				if own, ok := errors.AsType[*exit.Error](told); ok {
					own.Hint = "nothing is left here to tell it with; the session expires there"
				}
			}
			return told
		},
	}
	cmd.Flags().BoolVar(&forget, "forget-device", false, "also forget the device and the settings of the last sign-on")
	addSettings(cmd)
	return cmd
}

// endSession ends the session of a profile, and says so.
func endSession(ctx context.Context, p *opened) (err error) {
	source, err := p.newSource(tokensource.Config{})
	if err != nil {
		return err
	}
	defer closeAll(&err, source.Close)
	if err := source.Sync(ctx); err != nil {
		return err
	}
	// The gateway ends the session of a valid access token only. If there is none to be
	// had, the session ends here.
	if source.Status().Phase == tokensource.Expired {
		_, _ = source.TokenContext(ctx)
	}
	said := "The session is ended."
	switch source.Status().Reason {
	case tokensource.NoSession:
		p.env.print("There is no session.\n")
		return nil
	case tokensource.SignedOut: // the gateway may still have to be told
		said = "Already signed out."
	case tokensource.RefreshExpired, tokensource.FixedExpired, tokensource.RefreshRejected:
	}
	err = source.SignOut(ctx)
	if tokensource.ClassOf(err) == tokensource.ClassStore || ctx.Err() != nil {
		return err
	}
	p.env.print(said + "\n")
	return p.signOutError(err)
}

// signOutError returns the error of a session that has ended here, and of which the gateway
// may not know.
func (p *opened) signOutError(err error) error {
	switch {
	case errors.Is(err, ags.ErrUnauthorized) && !errors.Is(err, ags.ErrUnavailable) && !errors.Is(err, ags.ErrProtocol):
		return nil // the gateway does not know the session any more
	case errors.Is(err, errors.ErrUnsupported):
		fmt.Fprintln(p.env.Err, "agsauth: the gateway was not told, because this dialect has no sign-out")
		return nil
	case err != nil:
		return &exit.Error{
			Status: exit.Unreachable, Err: fmt.Errorf("the gateway was not told: %w", err),
			Hint: "the session is ended here; to tell the gateway, run agsauth logout again later",
		}
	}
	return nil
}
