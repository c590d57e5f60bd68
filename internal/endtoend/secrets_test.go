package endtoend_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/ags"
	"github.com/agsauth/agsauth/agstest"
	"github.com/agsauth/agsauth/store"
	"github.com/agsauth/agsauth/tokensource"
)

// secretSet collects the secrets that must not be printed. It is safe for concurrent
// use.
type secretSet struct {
	mu      sync.Mutex
	secrets []string
}

// collect is a Fault.Edit that collects the tokens of a response.
func (v *secretSet) collect(fields map[string]any) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, name := range []string{"access_token", "refresh_token", "userAccountToken", "sessionToken"} {
		if token, ok := fields[name].(string); ok {
			v.secrets = append(v.secrets, token)
		}
	}
}

func (v *secretSet) all() []string {
	v.mu.Lock()
	defer v.mu.Unlock()
	return slices.Clone(v.secrets)
}

// printer prints values in every form into a buffer.
type printer struct{ logBuffer }

func (o *printer) print(values ...any) {
	for _, v := range values {
		fmt.Fprintf(o, "%v\n%+v\n%#v\n%s\n%q\n%x\n", v, v, v, v, v, v)
		if b, err := json.Marshal(v); err == nil {
			fmt.Fprintf(o, "%s\n", b)
		}
		slog.New(slog.NewTextHandler(o, nil)).Info("recorded", slog.Any("value", v))
	}
}

// printError prints an error and all errors that it wraps.
func (o *printer) printError(err error) {
	o.print(err)
	if next := errors.Unwrap(err); next != nil {
		o.printError(next)
	}
	var several interface{ Unwrap() []error }
	if errors.As(err, &several) {
		for _, e := range several.Unwrap() {
			o.print(e)
		}
	}
}

// echoRequest answers with the secrets of the request in the message.
func echoRequest(status int) func(agstest.Request) agstest.Fault {
	return func(rq agstest.Request) agstest.Fault {
		text, _ := json.Marshal(fmt.Sprintf("cannot make sense of %s, %s and %s", rq.Reveal("Authorization"), rq.Reveal("User-Token"), rq.Body()))
		return agstest.Fault{Status: status, Body: fmt.Sprintf(`{"errorCode":77,"message":%s}`, text)}
	}
}

// A session goes through every kind of failure. No token and no parameter value
// appears in any value, error, event or log record.
func TestNoSecretIsPrinted(t *testing.T) {
	var v secretSet
	var out printer
	disk := &faultyStore{Memory: &store.Memory{}}
	var login tokensource.LoginFunc
	opts := options{
		noSignOn: true,
		platform: agstest.Config{ReuseGrace: time.Hour, DeviceLimit: -1},
		gateway: func(cfg *ags.Config) {
			cfg.Retry.Max = -1
			cfg.Parameters = []ags.Parameter{{Name: "pin", Value: "pin-4711-pin"}}
		},
		source: func(s *stack, cfg *tokensource.Config) {
			login = tokensource.SignOnWith(s.gw, newDevice())
			cfg.Login = func(ctx context.Context, e *tokensource.LoginRequiredError) (*ags.Token, error) { return login(ctx, e) }
			cfg.Store = disk
		},
	}
	v.secrets = []string{agstest.DefaultPassword, "pin-4711-pin", "tell nobody"}
	inBubble(t, opts, func(t *testing.T, s *stack) {
		keep := func() {
			s.srv.Always(agstest.SignOn, agstest.Fault{Edit: v.collect})
			s.srv.Always(agstest.Refresh, agstest.Fault{Edit: v.collect})
		}
		// ask calls the API after any back-off has passed, and prints the result.
		ask := func() {
			sleep(16 * time.Minute)
			r := s.get(t.Context())
			out.print(r.echo, s.src.Status())
			if r.err != nil {
				out.printError(r.err)
			}
		}

		s.srv.AlwaysFunc(agstest.SignOn, echoRequest(400))
		ask()
		login = func(context.Context, *tokensource.LoginRequiredError) (*ags.Token, error) { panic("tell nobody") }
		ask()
		login = tokensource.SignOnWith(s.gw, newDevice())
		keep()
		ask()
		require.Len(t, v.all(), 5)
		require.Equal(t, tokensource.Fresh, s.src.Status().Phase)

		sleep(2 * time.Hour)
		for _, status := range []int{200, 302, 400, 403, 404, 429, 500, 503} {
			s.srv.AlwaysFunc(agstest.Refresh, echoRequest(status))
			ask()
		}
		for _, kind := range []agstest.Kind{agstest.Lost, agstest.Garbage, agstest.HTML, agstest.Empty, agstest.Redirect, agstest.Cut, agstest.CutChunked} {
			s.srv.Always(agstest.Refresh, agstest.Fault{Kind: kind, Edit: v.collect})
			ask()
		}
		require.Equal(t, tokensource.Expired, s.src.Status().Phase, "none of these failures ends the session")
		disk.saveFails.Store(true)
		keep()
		ask()
		disk.saveFails.Store(false)
		ask()

		sleep(2 * time.Hour)
		s.srv.AlwaysFunc(agstest.Refresh, echoRequest(401))
		s.srv.AlwaysFunc(agstest.SignOn, echoRequest(401))
		ask()
		keep()
		ask()
		require.Equal(t, tokensource.Fresh, s.src.Status().Phase)
		s.srv.AlwaysFunc(agstest.SignOut, echoRequest(400))
		out.printError(s.src.SignOut(t.Context()))
		ask()

		token, err := s.gw.SignOn(t.Context(), newDevice())
		require.NoError(t, err)
		require.NoError(t, s.src.SetToken(t.Context(), token))
		sleep(0)
		for _, e := range s.events.all() {
			out.print(e)
			if e.Err != nil {
				out.printError(e.Err)
			}
		}
		out.print(token, *token, s.gw, s.src, s.client, s.client.Transport, newDevice(), newDevice().Parameters, s.src.Status())
		for _, op := range []agstest.Op{agstest.SignOn, agstest.Refresh, agstest.SignOut, agstest.API} {
			out.print(s.srv.Requests(op))
		}
		assert.Greater(t, s.srv.Count(agstest.Refresh), 15, "every fault was met")
		s.wantNoSecret(&v, out.String()+s.logs.String())
	})
}

// An AccountChoiceError prints neither its tokens nor its accounts, which hold
// personal data.
func TestNoSecretInAnAccountChoice(t *testing.T) {
	var v secretSet
	var out printer
	opts := options{noSignOn: true, source: withLogin, platform: agstest.Config{Accounts: []agstest.Account{
		{ID: "17", Username: agstest.DefaultUsername, Password: agstest.DefaultPassword},
		{ID: "42", Username: agstest.DefaultUsername, Password: agstest.DefaultPassword},
	}}}
	inBubble(t, opts, func(t *testing.T, s *stack) {
		s.srv.Always(agstest.SignOn, agstest.Fault{Edit: v.collect})
		err := s.get(t.Context()).err
		var choice *ags.AccountChoiceError
		require.ErrorAs(t, err, &choice)
		out.printError(err)
		out.print(*choice, choice.Accounts)
		s.srv.AlwaysFunc(agstest.SubsequentSignOn, echoRequest(http.StatusForbidden))
		_, err = s.gw.SubsequentSignOn(t.Context(), choice.UserToken, newDevice())
		require.ErrorIs(t, err, ags.ErrForbidden)
		out.printError(err)
		require.Len(t, v.all(), 1)
		v.secrets = append(v.secrets, agstest.DefaultPassword)
		s.wantNoSecret(&v, out.String()+s.logs.String())
		s.wantCount(agstest.SignOn, 1)
		s.wantCount(agstest.SubsequentSignOn, 1)
	})
}

// wantNoSecret asserts that the output contains no secret of the set, in any form, nor
// the signature of a token.
func (s *stack) wantNoSecret(v *secretSet, output string) {
	s.t.Helper()
	require.Greater(s.t, len(output), 1000)
	require.Contains(s.t, output, "[redacted]")
	for i, secret := range v.all() {
		for _, form := range []string{secret, fmt.Sprintf("%x", secret), fmt.Sprintf("%d", []byte(secret))} {
			if strings.Contains(output, form) {
				at := strings.Index(output, form)
				assert.Fail(s.t, "a secret was printed", "number %d, after %q", i, output[max(0, at-200):at])
			}
		}
		if dot := strings.LastIndexByte(secret, '.'); dot > 0 {
			assert.NotContains(s.t, output, secret[dot:], "the signature of number %d", i)
		}
	}
}
