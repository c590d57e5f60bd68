package command

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/agsauth/agsauth/ags"
	"github.com/agsauth/agsauth/cmd/agsauth/internal/exit"
	"github.com/agsauth/agsauth/cmd/agsauth/internal/profile"
	"github.com/agsauth/agsauth/cmd/agsauth/internal/terminal"
)

func newDiscover(env *Env) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: "discover [URL]", GroupID: groupSession, Args: atMostOneArg,
		Short: "List the gateway's sign-on services and their parameters",
		Long: `Discover asks a gateway which sign-on services it has, and which parameters
each of their calls takes. It needs no session. Without a URL it asks the
gateway of the profile.`,
		Example: `    agsauth discover https://gateway.example.com
    agsauth discover --json | jq -r '.[].service'`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				if err := cmd.Flags().Set("gateway", args[0]); err != nil {
					return err
				}
			}
			found, err := discover(env, cmd)
			if err != nil {
				return err
			}
			if asJSON {
				return printServicesJSON(env.Out, found)
			}
			return printServices(env.Out, found)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	addSettings(cmd)
	return cmd
}

func discover(env *Env, cmd *cobra.Command) (*ags.Discovery, error) {
	resolved, err := resolve(env, cmd)
	if err != nil {
		return nil, err
	}
	settings, err := resolved.Settings()
	if err != nil {
		return nil, err
	}
	if settings.Gateway == "" {
		return nil, exit.Usagef("no gateway is set; run agsauth discover URL")
	}
	client, _, err := profile.NewClient(settings)
	if err != nil {
		return nil, err
	}
	found, err := client.Discover(cmd.Context())
	if call, ok := errors.AsType[*ags.Error](err); ok && call.Status == http.StatusNotFound {
		return nil, &exit.Error{Status: exit.Failure, Err: err, Hint: "the gateway has no sign-on service for this tenant; check --gateway and --tenant"}
	}
	return found, err
}

// yes is how a table shows true. False is shown by an empty cell, so that true stands out.
func yes(b bool) string {
	if b {
		return "yes"
	}
	return ""
}

func printServices(out io.Writer, found *ags.Discovery) error {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprint(table, "SERVICE\tCALL\tPARAMETER\tMANDATORY\tPASSWORD\n")
	row := func(service, call, parameter string, mandatory, password bool) {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\n", terminal.Printable(service), terminal.Printable(call),
			terminal.Printable(parameter), yes(mandatory), yes(password))
	}
	for _, service := range found.Services {
		if len(service.Endpoints) == 0 {
			row(service.AuthServiceName, "", "", false, false)
		}
		for _, endpoint := range service.Endpoints {
			if len(endpoint.ParameterProperties) == 0 {
				row(service.AuthServiceName, endpoint.Name, "", false, false)
			}
			for _, p := range endpoint.ParameterProperties {
				row(service.AuthServiceName, endpoint.Name, p.Name, p.Mandatory, p.IsPassword)
			}
		}
	}
	return table.Flush()
}

// The JSON of a discovery.
type (
	serviceJSON struct {
		Service string            `json:"service"`
		Display map[string]string `json:"display"`
		Calls   []callJSON        `json:"calls"`
	}
	callJSON struct {
		Name       string          `json:"name"`
		Path       string          `json:"path"`
		Parameters []parameterJSON `json:"parameters"`
	}
	parameterJSON struct {
		Name      string `json:"name"`
		Mandatory bool   `json:"mandatory"`
		Password  bool   `json:"password"`
	}
)

func printServicesJSON(out io.Writer, found *ags.Discovery) error {
	services := []serviceJSON{}
	for _, service := range found.Services {
		s := serviceJSON{Service: service.AuthServiceName, Display: service.DisplayAttributes, Calls: []callJSON{}}
		for _, endpoint := range service.Endpoints {
			call := callJSON{Name: endpoint.Name, Path: endpoint.Path, Parameters: []parameterJSON{}}
			for _, p := range endpoint.ParameterProperties {
				call.Parameters = append(call.Parameters, parameterJSON{p.Name, p.Mandatory, p.IsPassword})
			}
			s.Calls = append(s.Calls, call)
		}
		services = append(services, s)
	}
	encoder := json.NewEncoder(out)
	encoder.SetIndent("", "  ")
	return encoder.Encode(services)
}
