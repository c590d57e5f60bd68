package otelagsauth_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/ags"
	"github.com/agsauth/agsauth/agstest"
	"github.com/agsauth/agsauth/store"
	"github.com/agsauth/agsauth/tokensource"
)

// directory is the place of a session's file, which errors of a store tell.
const directory = "/var/lib/sessions"

// errorTypes returns the closed set of error.type.
func errorTypes() (all []string) {
	for c := tokensource.ClassOther; c <= tokensource.ClassStore; c++ {
		all = append(all, c.String())
	}
	return all
}

// closedSets returns the attributes that each metric may have, and their values.
func closedSets() map[string]map[string][]string {
	outcomes := []string{"success", "failure"}
	call := map[string][]string{"outcome": outcomes, "error.type": errorTypes()}
	login := []string{"automatic", "manual"}
	return map[string]map[string][]string{
		"agsauth.session.count":    {"phase": {"unknown", "fresh", "ageing", "expired", "ended"}, "login": login},
		"agsauth.session.expiry":   {"login": login},
		"agsauth.session.ended":    {"reason": {"no_session", "refresh_expired", "fixed_expired", "refresh_rejected", "signed_out"}},
		"agsauth.refresh.duration": call,
		"agsauth.login.duration":   call,
		"agsauth.store.operation.duration": {
			"op":      {"load", "save", "delete", "lock", "unlock", "set_aside"},
			"outcome": append(outcomes, "conflict", "timeout", "canceled"),
		},
	}
}

// faults returns every way in which a request can fail. The gateway's messages name the
// account.
func faults() (all []agstest.Fault) {
	body := func(code int) string {
		return fmt.Sprintf(`{"errorCode":%d,"message":"no %s here, ask for Hugo"}`, code, account)
	}
	for _, status := range []int{200, 201, 300, 302, 400, 401, 403, 404, 408, 409, 425, 429, 500, 502, 503, 504, 599} {
		all = append(all, agstest.Fault{Status: status, Body: body(1)}, agstest.Fault{Status: status, AfterWork: true})
	}
	for _, code := range []int{1016, 1024, 1025, 20001, 20003, 20006, 20020, 99999} {
		all = append(all, agstest.Fault{Status: 403, Body: body(code)}, agstest.Fault{Status: 200, Body: body(code)})
	}
	for _, kind := range []agstest.Kind{
		agstest.Lost, agstest.Garbage, agstest.HTML, agstest.Empty, agstest.Redirect,
		agstest.Cut, agstest.CutChunked, agstest.Drip, agstest.Oversized,
	} {
		all = append(all, agstest.Fault{Kind: kind}, agstest.Fault{Kind: kind, AfterWork: true})
	}
	return append(all, agstest.Fault{Delay: time.Minute}, agstest.Fault{Delay: time.Minute, AfterWork: true})
}

// failInEveryWay has refreshes and logins fail in every way that there is.
func (r *rig) failInEveryWay() {
	for _, fault := range faults() {
		r.srv.Always(agstest.SignOn, fault)
		_ = ask(r.t.Context(), r.source(nil))
		r.srv.Clear(agstest.SignOn)
		src := r.source(nil)
		require.NoError(r.t, ask(r.t.Context(), src))
		r.srv.Always(agstest.Refresh, fault)
		time.Sleep(2 * time.Hour)
		_ = ask(r.t.Context(), src)
		r.srv.Clear(agstest.Refresh)
	}
	for _, err := range []error{errors.New("no " + account), context.DeadlineExceeded, context.Canceled} {
		r.failWith(err)
	}
	r.failInTheStore()
}

// failInTheStore has a login and a refresh fail because of the store.
func (r *rig) failInTheStore() {
	ctx, disk := r.t.Context(), &scriptedStore{Memory: &store.Memory{}}
	full := errors.New(directory + "/" + account + ": no space left")
	src := r.source(func(cfg *tokensource.Config) { cfg.Store = disk })
	r.srv.Script(agstest.SignOn, agstest.Fault{Status: 400})
	_ = ask(ctx, src)
	disk.err.Store(&full)
	time.Sleep(20 * time.Minute)
	_ = ask(ctx, src)
	disk.err.Store(nil)
	time.Sleep(20 * time.Minute)
	require.NoError(r.t, ask(ctx, src))
	disk.err.Store(&full)
	time.Sleep(2 * time.Hour)
	_ = ask(ctx, src)
}

// failWith has a Refresher and a Login fail with an error that is not the gateway's.
func (r *rig) failWith(err error) {
	token, signOnErr := r.gateway.SignOn(r.t.Context(), signOn())
	require.NoError(r.t, signOnErr)
	refresher := refresherFunc(func(context.Context, *ags.Token) (*ags.Token, error) { return nil, err })
	refreshing := r.source(func(cfg *tokensource.Config) { cfg.Refresher, cfg.Token = refresher, token })
	time.Sleep(2 * time.Hour)
	_ = ask(r.t.Context(), refreshing)
	loggingIn := r.source(func(cfg *tokensource.Config) {
		cfg.Login = func(context.Context, *tokensource.LoginRequiredError) (*ags.Token, error) { return nil, err }
	})
	_ = ask(r.t.Context(), loggingIn)
}

func TestAttributes_AreFromClosedSets(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		r.failInEveryWay()
		sets, seen := closedSets(), map[string][]string{}
		check := func(name, attributes string) {
			for pair := range strings.SplitSeq(attributes, ",") {
				key, value, _ := strings.Cut(pair, "=")
				assert.Contains(t, sets[name][key], value, "%s{%s}", name, attributes)
				seen[name+" "+key] = append(seen[name+" "+key], value)
			}
			hasType, failed := strings.Contains(attributes, "error.type"), strings.Contains(attributes, "outcome=failure")
			if strings.HasSuffix(name, "refresh.duration") || strings.HasSuffix(name, "login.duration") {
				assert.Equal(t, failed, hasType, "an error type if there is an error: %s{%s}", name, attributes)
			}
		}
		points := r.collect()
		for name := range sets {
			assert.NotEmpty(t, points[name], name)
		}
		for name, all := range points {
			for _, p := range all {
				check(name, p.attributes)
			}
		}
		for _, name := range []string{"agsauth.refresh", "agsauth.login"} {
			all := r.ended(name)
			assert.NotEmpty(t, all)
			for _, attributes := range all {
				check(name+".duration", attributes)
			}
		}
		for _, class := range errorTypes() {
			for _, name := range []string{"agsauth.refresh.duration", "agsauth.login.duration"} {
				assert.True(t, slices.Contains(seen[name+" error.type"], class), "%s has not failed with %s", name, class)
			}
		}
	})
}

func TestDoc_ListsTheMetricsAndTheClosedSets(t *testing.T) {
	text, err := os.ReadFile("doc.go")
	require.NoError(t, err)
	lines := map[string]string{} // of the two tables, by their first word
	for line := range strings.Lines(string(text)) {
		if table, ok := strings.CutPrefix(line, "//\t"); ok {
			name, rest, _ := strings.Cut(table, " ")
			lines[name] = rest
		}
	}
	for metric, attributes := range closedSets() {
		for key, values := range attributes {
			assert.Contains(t, lines[metric], key, metric)
			listed := strings.Split(strings.TrimSpace(lines[key]), ", ")
			assert.Subset(t, listed, values, key)
		}
	}
}

func TestExports_NameNoOneAndContainNoSecret(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		r.failInEveryWay()
		printed := r.printed()
		for _, some := range []string{"agsauth.refresh.duration", "agsauth_refresh_duration_seconds", "unavailable", `"Name":"agsauth.refresh"`} {
			require.True(t, strings.Contains(printed, some), some)
		}
		for _, never := range []string{
			account, agstest.DefaultUsername, agstest.DefaultPassword, "PUB_", "eyJ", "Bearer",
			strings.TrimPrefix(r.srv.URL, "http://"), "/ags/", directory, "denied", "Hugo", "scripted", "ags: ", "tokensource: ",
		} {
			assert.False(t, strings.Contains(printed, never), "it has %q", never)
		}
	})
}
