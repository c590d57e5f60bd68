package command

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/spf13/cobra"

	"github.com/agsauth/agsauth/cmd/agsauth/internal/apicall"
	"github.com/agsauth/agsauth/cmd/agsauth/internal/exit"
	"github.com/agsauth/agsauth/tokensource"
	"github.com/agsauth/agsauth/transport"
)

func newRequest(env *Env) *cobra.Command {
	var call apicall.Request
	out := apicall.Output{Out: env.Out, Err: env.Err}
	var maxTime time.Duration
	cmd := &cobra.Command{
		Use: "request [flags] PATH", GroupID: groupUse, Args: oneArg("PATH"),
		Short: "Call the API once, with a token",
		Long: `Request calls the API and prints the response. PATH is relative to the URL of the API
(--api), or a URL of the same host. A rejected token is replaced, and the request sent
once more. The body of a response with a status of 400 and more goes to standard error,
so that a script does not take it for the answer.`,
		Example: `    agsauth request /v1/profile
    agsauth request -d '{"name":"x"}' --fail /v1/profile`,
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			if err := notBelowZero("max-time", maxTime); err != nil {
				return err
			}
			call.Stdin, call.HasData = env.In, cmd.Flags().Changed("data")
			p, err := open(env, cmd)
			if err != nil {
				return err
			}
			defer closeAll(&err, p.Close)
			if call.URL, err = apicall.Target(p.API, args[0]); err != nil {
				return err
			}
			ctx := cmd.Context()
			if maxTime > 0 {
				var cancel context.CancelFunc
				ctx, cancel = context.WithTimeout(ctx, maxTime)
				defer cancel()
			}
			return callAPI(ctx, p, call, out)
		},
	}
	flags := cmd.Flags()
	flags.StringVarP(&call.Method, "request", "X", "", "method (default: GET, or POST with --data)")
	called("METHOD", flags, "request")
	flags.StringArrayVarP(&call.Header, "header", "H", nil, `a line of the header, "Name: value"; may be repeated`)
	called("LINE", flags, "header")
	flags.StringVarP(&call.Data, "data", "d", "", "body: a text, @FILE, or @- for standard input; sent as JSON unless --header says otherwise")
	called("DATA", flags, "data")
	flags.BoolVarP(&out.Header, "include", "i", false, "print the status line and the header, too")
	flags.StringVarP(&out.File, "output", "o", "", "write the response to a file, once it is complete")
	called("FILE", flags, "output")
	flags.BoolVarP(&out.Fail, "fail", "f", false, "fail if the status is 400 or more")
	flags.DurationVar(&maxTime, "max-time", 0, "give up after this long")
	called("DURATION", flags, "max-time")
	addSettings(cmd)
	return cmd
}

// callAPI makes the call and writes the response.
func callAPI(ctx context.Context, p *opened, call apicall.Request, out apicall.Output) (err error) {
	rq, err := call.HTTP(ctx)
	if err != nil {
		return err
	}
	source, err := p.newSource(tokensource.Config{})
	if err != nil {
		return err
	}
	defer closeAll(&err, source.Close)
	client := &http.Client{
		Transport: &transport.Transport{Source: source, Base: p.Transport},
		CheckRedirect: func(next *http.Request, via []*http.Request) error {
			if !apicall.SameHost(via[0].URL, next.URL) || len(via) >= 10 {
				return http.ErrUseLastResponse
			}
			return nil
		},
	}
	resp, err := client.Do(rq)
	if err != nil {
		return requestError(ctx, err)
	}
	defer resp.Body.Close()
	return out.Write(resp)
}

// requestError returns the error of a call without its URL, whose query may have a secret
// in it.
func requestError(ctx context.Context, err error) error {
	if wrapped, ok := errors.AsType[*url.Error](err); ok {
		err = wrapped.Err
	}
	err = fmt.Errorf("request: %w", err)
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		// The API was slow, which says nothing about the gateway.
		return &exit.Error{Status: exit.Failure, Err: err, Hint: "allow more with --max-time"}
	}
	return err
}
