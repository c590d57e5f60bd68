package command

import (
	"cmp"
	"context"
	"errors"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/agsauth/agsauth/cmd/agsauth/internal/config"
	"github.com/agsauth/agsauth/cmd/agsauth/internal/exit"
	"github.com/agsauth/agsauth/cmd/agsauth/internal/statusview"
	"github.com/agsauth/agsauth/cmd/agsauth/internal/terminal"
	"github.com/agsauth/agsauth/tokensource"
)

// statusFlags are the flags of the command status.
type statusFlags struct {
	asJSON, watch, check bool
	minValidity          time.Duration
}

func newStatus(env *Env) *cobra.Command {
	var flags statusFlags
	cmd := &cobra.Command{
		Use: "status", GroupID: groupSession, Args: noArgs,
		Short: "Show the session, its deadlines, and what happens next",
		Long: `Status shows the stored session of the profile. It does not call the gateway,
so it does not know of a session that was ended there: with --check it
refreshes the session first.

The status is 0 while there is a session, 3 if there is none or it has ended,
and 1 if the access token does not remain valid for --min-validity. With
--check it is 4 if the gateway could not be asked. With --json each instant is
in RFC 3339, in UTC, and in seconds since 1970.`,
		Example: `    agsauth status --watch
    agsauth status --json | jq .access_token_expires_at.epoch`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			switch {
			case flags.minValidity < 0:
				return exit.Usagef("flag --min-validity: %s is below zero; use a duration such as 30m", flags.minValidity)
			case flags.watch && (flags.asJSON || flags.check):
				return exit.Usagef("flag --watch goes with neither --json nor --check; leave one out")
			}
			return showStatus(env, cmd, flags)
		},
	}
	cmd.Flags().BoolVar(&flags.asJSON, "json", false, "print JSON")
	cmd.Flags().BoolVar(&flags.watch, "watch", false, "show it again every second, until q is pressed")
	cmd.Flags().BoolVar(&flags.check, "check", false, "refresh the session first, to ask the gateway whether it is live")
	cmd.Flags().DurationVar(&flags.minValidity, "min-validity", 0, "require that the access token remains valid for this long")
	called("DURATION", cmd.Flags(), "min-validity")
	addSettings(cmd)
	return cmd
}

func showStatus(env *Env, cmd *cobra.Command, flags statusFlags) (err error) {
	resolved, err := resolve(env, cmd)
	if err != nil {
		return err
	}
	if _, err := resolved.Settings(); err != nil {
		return err
	}
	view := viewOf(resolved, flags)
	if view.Gateway == "" {
		// Nobody has signed on with this profile yet.
		view.Status = tokensource.Status{Phase: tokensource.Ended, Reason: tokensource.NoSession}
		return printStatus(env, flags, view)
	}
	p, err := open(env, cmd)
	if err != nil {
		return err
	}
	defer closeAll(&err, p.Close)
	source, err := p.newSource(tokensource.Config{})
	if err != nil {
		return err
	}
	defer closeAll(&err, source.Close)
	ctx := cmd.Context()
	read := func(ctx context.Context) (statusview.View, error) {
		err := source.Sync(ctx)
		view.Status, view.Now = source.Status(), time.Now()
		return view, err
	}
	if flags.watch {
		return watchStatus(ctx, env, read)
	}
	if view, err = read(ctx); err != nil {
		return err
	}
	if flags.check && view.SignedIn() {
		err = check(ctx, source)
		view.Status, view.Now = source.Status(), time.Now()
	}
	return cmp.Or(err, printStatus(env, flags, view))
}

func viewOf(resolved *config.Resolved, flags statusFlags) statusview.View {
	return statusview.View{
		Profile: resolved.Profile.Text, Command: resolved.Command, Gateway: resolved.Values["gateway"].Display(),
		Now: time.Now(), Location: time.Local, MinValidity: flags.minValidity,
	}
}

// check asks the gateway, by a refresh, whether the session is live. To ask for a token
// that is valid for longer would not do: soon after a refresh there is none.
func check(ctx context.Context, source *tokensource.Source) error {
	before := source.Status().Generation
	token, err := source.TokenContext(ctx)
	if err != nil || source.Status().Generation != before {
		return err
	}
	source.Invalidate(token.AccessToken)
	if _, err := source.TokenContext(ctx); err != nil {
		return err
	}
	if st := source.Status(); st.Generation == before {
		return st.Err // the token of before is served again
	}
	return nil
}

// printStatus prints the view. The error has the exit status that the view means.
func printStatus(env *Env, flags statusFlags, view statusview.View) error {
	if flags.asJSON {
		text, err := view.JSON()
		if err != nil {
			return err
		}
		env.print(string(text))
	} else {
		can := terminal.ViewOf(env.Out, os.Getenv)
		env.print(view.Text(statusview.Look{Width: can.Width, Color: can.Color}))
	}
	switch {
	case !view.SignedIn():
		return &exit.Error{Status: exit.SignIn}
	case flags.minValidity > 0 && !view.IsValid():
		return &exit.Error{Status: exit.Failure}
	}
	return nil
}

// watchStatus shows the view again and again.
func watchStatus(ctx context.Context, env *Env, read func(context.Context) (statusview.View, error)) error {
	can := terminal.ViewOf(env.Out, os.Getenv)
	if in := terminal.ViewOf(env.Err, os.Getenv); !can.IsTerminal || !in.IsTerminal {
		return exit.Usagef("flag --watch needs a terminal; use agsauth status --json")
	}
	err := statusview.Watch(ctx, env.In, env.Out, can.Color, read)
	if errors.Is(err, terminal.ErrInterrupted) {
		return exit.ErrInterrupted
	}
	return err
}
