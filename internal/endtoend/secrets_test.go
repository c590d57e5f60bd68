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

// vault knows all that must not come out.
type vault struct {
	mu      sync.Mutex
	secrets []string
}

// keep is an Edit that takes down every token that an answer has.
func (v *vault) keep(fields map[string]any) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, name := range []string{"access_token", "refresh_token", "userAccountToken", "sessionToken"} {
		if token, ok := fields[name].(string); ok {
			v.secrets = append(v.secrets, token)
		}
	}
}

func (v *vault) all() []string {
	v.mu.Lock()
	defer v.mu.Unlock()
	return slices.Clone(v.secrets)
}

// outlet collects all that is said, by every route there is.
type outlet struct{ paper }

func (o *outlet) say(values ...any) {
	for _, v := range values {
		fmt.Fprintf(o, "%v\n%+v\n%#v\n%s\n%q\n%x\n", v, v, v, v, v, v)
		if b, err := json.Marshal(v); err == nil {
			fmt.Fprintf(o, "%s\n", b)
		}
		slog.New(slog.NewTextHandler(o, nil)).Info("said", slog.Any("value", v))
	}
}

// fail says an error, and all that it wraps.
func (o *outlet) fail(err error) {
	o.say(err)
	if next := errors.Unwrap(err); next != nil {
		o.fail(next)
	}
	var several interface{ Unwrap() []error }
	if errors.As(err, &several) {
		for _, e := range several.Unwrap() {
			o.say(e)
		}
	}
}

// echoing answers with all that it was sent, as gateways do.
func echoing(status int) func(agstest.Request) agstest.Fault {
	return func(rq agstest.Request) agstest.Fault {
		text, _ := json.Marshal(fmt.Sprintf("cannot make sense of %s, %s and %s", rq.Reveal("Authorization"), rq.Reveal("User-Token"), rq.Body()))
		return agstest.Fault{Status: status, Body: fmt.Sprintf(`{"errorCode":77,"message":%s}`, text)}
	}
}

// A session's whole life, with all that can go wrong in it, is told by every
// route; no token and no parameter's value is in any of it.
func TestEndToEnd_NothingSecretComesOut(t *testing.T) {
	var v vault
	var out outlet
	disk := &fickle{Memory: &store.Memory{}}
	var login tokensource.LoginFunc
	p := plan{
		unsigned: true,
		platform: agstest.Config{ReuseGrace: time.Hour, DeviceLimit: -1},
		gateway: func(cfg *ags.Config) {
			cfg.Retry.Max = -1
			cfg.Parameters = []ags.Parameter{{Name: "pin", Value: "pin-4711-pin"}}
		},
		source: func(h *house, cfg *tokensource.Config) {
			login = tokensource.SignOnWith(h.gw, newDevice())
			cfg.Login = func(ctx context.Context, e *tokensource.LoginRequiredError) (*ags.Token, error) { return login(ctx, e) }
			cfg.Store = disk
		},
	}
	v.secrets = []string{agstest.DefaultPassword, "pin-4711-pin", "tell nobody"}
	bubble(t, p, func(t *testing.T, h *house) {
		keep := func() {
			h.srv.Always(agstest.SignOn, agstest.Fault{Edit: v.keep})
			h.srv.Always(agstest.Refresh, agstest.Fault{Edit: v.keep})
		}
		// ask waits for whatever is remembered, and says what comes.
		ask := func() {
			sleep(16 * time.Minute)
			r := h.get(t.Context())
			out.say(r.echo, h.src.Status())
			if r.err != nil {
				out.fail(r.err)
			}
		}

		h.srv.AlwaysFunc(agstest.SignOn, echoing(400))
		ask()
		login = func(context.Context, *tokensource.LoginRequiredError) (*ags.Token, error) { panic("tell nobody") }
		ask()
		login = tokensource.SignOnWith(h.gw, newDevice())
		keep()
		ask()
		require.Len(t, v.all(), 5)
		require.Equal(t, tokensource.Fresh, h.src.Status().Phase)

		sleep(2 * time.Hour)
		for _, status := range []int{200, 302, 400, 403, 404, 429, 500, 503} {
			h.srv.AlwaysFunc(agstest.Refresh, echoing(status))
			ask()
		}
		for _, kind := range []agstest.Kind{agstest.Lost, agstest.Garbage, agstest.HTML, agstest.Empty, agstest.Redirect, agstest.Cut, agstest.CutChunked} {
			h.srv.Always(agstest.Refresh, agstest.Fault{Kind: kind, Edit: v.keep})
			ask()
		}
		require.Equal(t, tokensource.Expired, h.src.Status().Phase, "all of that was no end")
		disk.saveFails.Store(true)
		keep()
		ask()
		disk.saveFails.Store(false)
		ask()

		sleep(2 * time.Hour)
		h.srv.AlwaysFunc(agstest.Refresh, echoing(401))
		h.srv.AlwaysFunc(agstest.SignOn, echoing(401))
		ask()
		keep()
		ask()
		require.Equal(t, tokensource.Fresh, h.src.Status().Phase)
		h.srv.AlwaysFunc(agstest.SignOut, echoing(400))
		out.fail(h.src.SignOut(t.Context()))
		ask()

		token, err := h.gw.SignOn(t.Context(), newDevice())
		require.NoError(t, err)
		require.NoError(t, h.src.SetToken(t.Context(), token))
		sleep(0)
		for _, e := range h.events.all() {
			out.say(e)
			if e.Err != nil {
				out.fail(e.Err)
			}
		}
		out.say(token, *token, h.gw, h.src, h.client, h.client.Transport, newDevice(), newDevice().Parameters, h.src.Status())
		for _, op := range []agstest.Op{agstest.SignOn, agstest.Refresh, agstest.SignOut, agstest.API} {
			out.say(h.srv.Requests(op))
		}
		assert.Greater(t, h.srv.Count(agstest.Refresh), 15, "every kind of trouble was met")
		h.wantNoSecret(&v, out.String()+h.logs.String())
	})
}

// The choice of an account is told without the tokens, and without the accounts,
// whose owners are people.
func TestEndToEnd_NothingSecretInAChoice(t *testing.T) {
	var v vault
	var out outlet
	p := plan{unsigned: true, source: withLogin, platform: agstest.Config{Accounts: []agstest.Account{
		{ID: "17", Username: agstest.DefaultUsername, Password: agstest.DefaultPassword},
		{ID: "42", Username: agstest.DefaultUsername, Password: agstest.DefaultPassword},
	}}}
	bubble(t, p, func(t *testing.T, h *house) {
		h.srv.Always(agstest.SignOn, agstest.Fault{Edit: v.keep})
		err := h.get(t.Context()).err
		var choice *ags.AccountChoiceError
		require.ErrorAs(t, err, &choice)
		out.fail(err)
		out.say(*choice, choice.Accounts)
		h.srv.AlwaysFunc(agstest.SubsequentSignOn, echoing(http.StatusForbidden))
		_, err = h.gw.SubsequentSignOn(t.Context(), choice.UserToken, newDevice())
		require.ErrorIs(t, err, ags.ErrForbidden)
		out.fail(err)
		require.Len(t, v.all(), 1)
		v.secrets = append(v.secrets, agstest.DefaultPassword)
		h.wantNoSecret(&v, out.String()+h.logs.String())
		h.wantCount(agstest.SignOn, 1)
		h.wantCount(agstest.SubsequentSignOn, 1)
	})
}

// wantNoSecret asserts that none of the vault, nor any part of a token by which it
// could be used, is in what was said; and that something was said.
func (h *house) wantNoSecret(v *vault, said string) {
	h.t.Helper()
	require.Greater(h.t, len(said), 1000)
	require.Contains(h.t, said, "[redacted]")
	for i, secret := range v.all() {
		for _, form := range []string{secret, fmt.Sprintf("%x", secret), fmt.Sprintf("%d", []byte(secret))} {
			if strings.Contains(said, form) {
				at := strings.Index(said, form)
				assert.Fail(h.t, "a secret came out", "number %d, after %q", i, said[max(0, at-200):at])
			}
		}
		if dot := strings.LastIndexByte(secret, '.'); dot > 0 {
			assert.NotContains(h.t, said, secret[dot:], "the signature of number %d", i)
		}
	}
}
