package command

import (
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/agsauth/agsauth/cmd/agsauth/internal/exit"
	"github.com/agsauth/agsauth/cmd/agsauth/internal/gateway"
)

func newGateway(env *Env) *cobra.Command {
	var file string
	var verbose, web bool
	s := gateway.Default()
	cmd := &cobra.Command{
		Use: "gateway", GroupID: groupOther, Args: noArgs,
		Short: "Serve a gateway for tests",
		Long:  gateway.Description,
		Example: `    agsauth gateway --listen 127.0.0.1:8080 --admin-listen 127.0.0.1:8081 --access-lifetime 5s
    curl http://127.0.0.1:8081/faults -d '{"op": "refresh", "status": 503}'`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if cmd.Flags().Changed("user-accounts") && s.UserAccounts < 1 {
				return exit.Usagef("flag --user-accounts: %d is not a number of accounts; use one from 1", s.UserAccounts)
			}
			if err := readGatewayFile(cmd.Flags(), &s, file); err != nil {
				return err
			}
			o := gateway.Options{Out: env.Out}
			if verbose {
				o.Log = env.Err
			}
			if web {
				page, err := s.Page()
				if err != nil {
					return err
				}
				o.Web = page
			}
			return gateway.Run(cmd.Context(), s, o)
		},
	}
	cmd.Flags().StringVar(&file, "config", "", "read the settings from this TOML file; flags override it")
	called("FILE", cmd.Flags(), "config")
	cmd.Flags().BoolVarP(&verbose, "verbose", "v", false, "print each request on standard error")
	cmd.Flags().BoolVar(&web, "web", false, "serve a page over the admin interface, which shows what happens and has buttons for faults; its URL is \"web\"")
	addGatewayFlags(cmd.Flags(), &s)
	completesWith(cmd, "dialect", "ags", "ias-v3", "ias-v2")
	return cmd
}

// addGatewayFlags adds a flag for each setting that is not for a file alone.
func addGatewayFlags(flags *pflag.FlagSet, s *gateway.Settings) {
	text := func(to *string, name, placeholder, usage string) {
		flags.StringVar(to, name, *to, usage)
		called(placeholder, flags, name)
	}
	text(&s.Listen, "listen", "ADDRESS", "serve the gateway and its API here; port 0 is a free port")
	text(&s.AdminListen, "admin-listen", "ADDRESS", "serve the admin interface here; off means not at all")
	flags.Var(&hostNames{&s.AdminHosts}, "admin-hosts", "host names by which the admin interface may be called, besides loopback ones")
	text(&s.TLS, "tls", "FOLDER", "speak TLS with ca.pem, cert.pem and key.pem of this folder, which are made if it has none of them")
	text(&s.AdvertiseURL, "advertise-url", "URL", "the URL by which clients reach the gateway, if that is not its address")
	flags.Var(&s.AccessLifetime, "access-lifetime", "the lifetime of access tokens (default 1h)")
	flags.Var(&s.RefreshLifetime, "refresh-lifetime", "the lifetime of refresh tokens (default 48h)")
	flags.Var(&s.FixedLifetime, "fixed-lifetime", "the lifetime of sessions (default 720h)")
	flags.Var(&s.Skew, "skew", "by how much the gateway's clock is ahead")
	text(&s.Dialect, "dialect", "NAME", "ags, ias-v3 or ias-v2 (default ags)")
	flags.IntVar(&s.UserAccounts, "user-accounts", 0, "how many accounts the default user has (default 1)")
	called("N", flags, "user-accounts")
	flags.IntVar(&s.DeviceLimit, "device-limit", 0, "how many devices an account may have; negative means no limit (default 5)")
	called("N", flags, "device-limit")
	flags.BoolVar(&s.ReusableRefreshTokens, "reusable-refresh-tokens", false, "a refresh token can be used until it expires")
	flags.BoolVar(&s.AccessEndsWithSession, "access-ends-with-session", false, "the API rejects access tokens whose session has ended")
	flags.BoolVar(&s.LegacyRejections, "legacy-rejections", false, "the API rejects access tokens with status 200")
	flags.BoolVar(&s.Quirks.OpaqueTokens, "opaque-tokens", false, "tokens are random text instead of JWTs")
}

// readGatewayFile sets what the file has. The flags that were given go before it.
func readGatewayFile(flags *pflag.FlagSet, s *gateway.Settings, file string) error {
	if file == "" {
		return nil
	}
	given := map[string]string{}
	flags.Visit(func(flag *pflag.Flag) { given[flag.Name] = flag.Value.String() })
	if err := s.ReadFile(file); err != nil {
		return err
	}
	for name, value := range given {
		if err := flags.Set(name, value); err != nil {
			return err
		}
	}
	return nil
}

// hostNames is a flag's value that is a list with commas.
type hostNames struct{ to *[]string }

// String returns the list.
func (h *hostNames) String() string { return strings.Join(*h.to, ",") }

// Set sets the list.
func (h *hostNames) Set(text string) error {
	*h.to = strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ' ' })
	return nil
}

// Type returns the placeholder of the value.
func (*hostNames) Type() string { return "NAMES" }
