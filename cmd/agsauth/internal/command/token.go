package command

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/oauth2"

	"github.com/agsauth/agsauth/cmd/agsauth/internal/exit"
	"github.com/agsauth/agsauth/cmd/agsauth/internal/tokenformat"
	"github.com/agsauth/agsauth/tokensource"
)

func newToken(env *Env) *cobra.Command {
	var format string
	var validFor time.Duration
	cmd := &cobra.Command{
		Use: "token", GroupID: groupUse, Args: noArgs,
		Short: "Print an access token that is valid",
		Long: `Token prints an access token of the session on standard output, and nothing else. It
refreshes the session first if need be. If there is no token to print, standard output
stays empty. Any number of these commands may run at once: one of them refreshes.`,
		Example: `    curl -H "Authorization: Bearer $(agsauth token)" https://api.example.com/v1/profile
    agsauth token --format curl | curl -K - https://api.example.com/v1/profile`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			write, ok := tokenformat.Lookup(format)
			if !ok {
				return exit.Usagef("flag --format: there is no format %q; use raw, header, json, curl or envoy-sds", format)
			}
			if err := notBelowZero("min-validity", validFor); err != nil {
				return err
			}
			token, err := getToken(env, cmd, validFor)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(env.Out, "%s\n", write(token))
			return err
		},
	}
	cmd.Flags().StringVar(&format, "format", "raw", "raw, header, json, or curl, which is a configuration for curl -K, or envoy-sds")
	called("FORMAT", cmd.Flags(), "format")
	completesWith(cmd, "format", "raw", "header", "json", "curl", "envoy-sds")
	cmd.Flags().DurationVar(&validFor, "min-validity", 0, "print a token that is valid for this long; it is refreshed if need be")
	called("DURATION", cmd.Flags(), "min-validity")
	addSettings(cmd)
	return cmd
}

// getToken returns a token of the profile's session. If the token caused a refresh, that
// is finished and saved.
func getToken(env *Env, cmd *cobra.Command, validFor time.Duration) (token *oauth2.Token, err error) {
	p, err := open(env, cmd)
	if err != nil {
		return nil, err
	}
	defer closeAll(&err, p.Close)
	source, err := p.newSource(tokensource.Config{})
	if err != nil {
		return nil, err
	}
	defer closeAll(&err, source.Close)
	return source.TokenValidFor(cmd.Context(), validFor)
}

// closeAll calls what closes something. Its error is reported if nothing else failed.
func closeAll(err *error, closes ...func() error) {
	for _, c := range closes {
		if failed := c(); failed != nil && *err == nil {
			*err = failed
		}
	}
}
