package command

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/agsauth/agsauth/ags"
	"github.com/agsauth/agsauth/cmd/agsauth/internal/config"
	"github.com/agsauth/agsauth/cmd/agsauth/internal/exit"
	"github.com/agsauth/agsauth/cmd/agsauth/internal/signon"
	"github.com/agsauth/agsauth/cmd/agsauth/internal/statusview"
	"github.com/agsauth/agsauth/cmd/agsauth/internal/terminal"
	"github.com/agsauth/agsauth/tokensource"
)

// codeDeviceLimit is the gateway's error code for an account that may have no more devices.
const codeDeviceLimit = 20007

// loginFlags are the flags of the command login.
type loginFlags struct {
	parameters []string
	account    string
	force      bool
}

func newLogin(env *Env) *cobra.Command {
	var flags loginFlags
	cmd := &cobra.Command{
		Use: "login", GroupID: groupSession, Args: noArgs,
		Short: "Sign on, and store the session",
		Long: `Login signs on at the gateway and stores the session for all later commands.
While there is a live session it does nothing, unless --force is given. Each
sign-on sends the client identifier of the one before, so that the device
stays the same. But a device belongs to one account: signing on to another
account of the user registers a new device, each time, and an account may have
only a few. Use a profile for each account.

The gateway says which parameters it needs. Login takes them from --param,
from the file of --param-file, and from the profile, and asks for the others
on the terminal, without showing secrets. It does not ask if standard input is
not a terminal. If a mandatory parameter is missing then, the status is 2, and
no sign-on is tried.`,
		Example: `    agsauth login --gateway https://gateway.example.com
    agsauth login --param username=dave
    agsauth login --param-file /run/secrets/agsauth --account 1663 </dev/null`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return loginError(env, login(env, cmd, flags))
		},
	}
	cmd.Flags().StringArrayVar(&flags.parameters, "param", nil, "a parameter that is no secret; may be repeated")
	called("NAME=VALUE", cmd.Flags(), "param")
	cmd.Flags().StringVar(&flags.account, "account", "", "the account, if several match: its identifier or NAME=VALUE")
	called("ACCOUNT", cmd.Flags(), "account")
	cmd.Flags().BoolVar(&flags.force, "force", false, "sign on even if there is a live session")
	addSettings(cmd)
	return cmd
}

func login(env *Env, cmd *cobra.Command, flags loginFlags) (err error) {
	var arguments []ags.Parameter
	for _, argument := range flags.parameters {
		p, err := signon.ParseParameter(argument)
		if err != nil {
			return err
		}
		arguments = append(arguments, p)
	}
	resolved, err := resolve(env, cmd)
	if err != nil {
		return err
	}
	ask, closeTerminal, err := openTerminal(env)
	if err != nil {
		return err
	}
	defer closeAll(&err, closeTerminal)
	s := &signingOn{env: env, flags: flags, arguments: arguments, resolved: resolved, ask: ask}
	return s.run(cmd.Context())
}

// openTerminal opens the terminal to ask on. The Asker is nil if there is none, or if
// standard input is redirected, which is how scripts say that nobody answers.
func openTerminal(env *Env) (ask signon.Asker, closeAsker func() error, err error) {
	none := func() error { return nil }
	if in, isFile := env.In.(*os.File); !isFile || !terminal.ViewOf(in, os.Getenv).IsTerminal {
		return nil, none, nil
	}
	t, err := terminal.Open()
	if errors.Is(err, terminal.ErrNone) {
		return nil, none, nil
	} else if err != nil {
		return nil, none, err
	}
	return t, t.Close, nil
}

// loginError gives an error of login its exit status. It prints the accounts to choose
// from, if there are several.
func loginError(env *Env, err error) error {
	if input, ok := errors.AsType[*signon.InputError](err); ok {
		for _, account := range input.Accounts {
			fmt.Fprintln(env.Err, "agsauth: account "+terminal.Printable(account.String()))
		}
		return &exit.Error{Status: exit.Usage, Err: errors.New(input.Problem), Hint: terminal.Printable(input.Remedy)}
	}
	switch {
	case errors.Is(err, terminal.ErrInterrupted):
		return exit.ErrInterrupted
	case errors.Is(err, terminal.ErrNoAnswer):
		return &exit.Error{Status: exit.Usage, Err: err, Hint: "answer it, or give the parameter in the file of --param-file, or with --param if it is no secret"}
	}
	// That the session has ended is why login was called, and no news.
	if ended, ok := errors.AsType[*tokensource.LoginRequiredError](err); ok && ended.Err != nil {
		err = ended.Err
	}
	call, isCall := errors.AsType[*ags.Error](err)
	switch {
	case isCall && call.Code == codeDeviceLimit:
		return &exit.Error{
			Status: exit.Failure, Err: err,
			Hint: "the account has as many devices as it may have; have one of them deleted at the operator, or use the profile that has signed on to this account before",
		}
	case errors.Is(err, ags.ErrUnauthorized):
		return &exit.Error{Status: exit.Failure, Err: err, Hint: "check the user name, the password and the service"}
	case errors.Is(err, ags.ErrForbidden):
		return &exit.Error{Status: exit.Failure, Err: err, Hint: "the operator or the owner of the account can remove the cause"}
	}
	return err
}

// announce prints what the session is now.
func announce(env *Env, what string, resolved *config.Resolved, st tokensource.Status) {
	view := statusview.View{Profile: resolved.Profile.Text, Command: resolved.Command, Status: st, Now: time.Now(), Location: time.Local}
	env.print(view.Announcement(what))
}

// liveStatus returns the stored session's status. If its access token has expired it asks
// for another one, because only the gateway knows whether it is still live.
func liveStatus(ctx context.Context, source *tokensource.Source) (tokensource.Status, error) {
	if err := source.Sync(ctx); err != nil {
		return tokensource.Status{}, err
	}
	if source.Status().Phase == tokensource.Expired {
		if _, err := source.TokenContext(ctx); err != nil && !errors.Is(err, tokensource.ErrLoginRequired) {
			return tokensource.Status{}, err
		}
	}
	return source.Status(), nil
}
