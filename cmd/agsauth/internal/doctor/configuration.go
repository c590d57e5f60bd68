package doctor

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/agsauth/agsauth/cmd/agsauth/internal/config"
	"github.com/agsauth/agsauth/cmd/agsauth/internal/exit"
	"github.com/agsauth/agsauth/cmd/agsauth/internal/reachable"
)

const configHint = "agsauth config show tells where each setting comes from"

// noSettings is the result of checks that need settings if there are none.
func noSettings() Result { return skipped("the configuration cannot be used") }

// failureOf returns the failure that an error describes. Errors end with what to do,
// after a semicolon.
func failureOf(err error, hint string) Result {
	text := err.Error()
	var own *exit.Error
	if errors.As(err, &own) && own.Err != nil {
		text = own.Err.Error()
		if own.Hint != "" {
			return failure(text, own.Hint)
		}
	}
	if i := strings.LastIndex(text, "; "); i >= 0 {
		return failure(text[:i], text[i+2:])
	}
	return failure(text, hint)
}

func checkConfiguration(_ context.Context, e *examination) Result {
	switch {
	case e.ResolveErr != nil:
		return failureOf(e.ResolveErr, "correct it, or choose another file with --config FILE")
	case e.Resolved == nil:
		return noSettings()
	case e.Resolved.File.Origin == "":
		return ok("there is no configuration file; flags, the environment and the last sign-on are used")
	}
	return ok("the file %s is valid", e.Resolved.File.Text)
}

func checkProfile(_ context.Context, e *examination) Result {
	if e.Resolved == nil {
		return noSettings()
	}
	if err := e.Resolved.CheckGateway(); err != nil {
		return failureOf(err, configHint)
	}
	return judgeProfile(e.Resolved)
}

// judgeProfile looks for something that a named profile consists of. A name that is
// misspelled would silently be that of a new profile.
func judgeProfile(r *config.Resolved) Result {
	found := r.Remembered != nil || len(r.Parameters) > 0 || len(r.Headers) > 0
	for _, v := range r.Values {
		found = found || v.Origin == r.InFile()
	}
	if !found && r.Profile.Origin != "default" {
		return warning(fmt.Sprintf("%s: there is nothing about profile %s in the configuration file, and it was never signed on", r.Profile.Origin, r.Profile.Text),
			"check the name of the profile")
	}
	return ok("%s (%s)", r.Profile.Text, r.Profile.Origin)
}

func checkSettings(_ context.Context, e *examination) Result {
	switch s := e.Settings; {
	case s == nil:
		return noSettings()
	case e.SettingsErr != nil:
		return failureOf(e.SettingsErr, configHint)
	case e.CAErr != nil:
		return failureOf(e.CAErr, configHint)
	case s.Gateway == "":
		return failure("no gateway is set", "use --gateway URL, AGSAUTH_GATEWAY, or the configuration file, or run agsauth login")
	case e.ClientErr != nil:
		return failureOf(e.ClientErr, configHint)
	case e.isUnknownStore():
		return failure(e.Resolved.Values["store"].Origin+": the store is neither a path nor a URL of Redis", "set store to a path, or to a redis:// or rediss:// URL")
	}
	return judgeSettings(e.Settings)
}

// judgeSettings judges settings that work.
func judgeSettings(s *config.Settings) Result {
	gateway, _ := url.Parse(s.Gateway)
	switch {
	case gateway != nil && isInsecure(gateway):
		return warning("allow-insecure is set: tokens and passwords go to the gateway unencrypted", "use the gateway's https URL")
	case s.API != nil && isInsecure(s.API):
		return warning("the URL of the API is plain HTTP: tokens go to it unencrypted", "set api to an https URL")
	case s.IsRedis() && isPlainRedis(s.Store) && !s.Keyring:
		return warning("the session goes to the Redis server unencrypted", "use a rediss:// URL, or the setting keyring")
	}
	return ok("the gateway is %s, the tenant %s", s.Gateway, s.Tenant)
}

func isInsecure(u *url.URL) bool { return u.Scheme == "http" && !reachable.IsLoopback(u.Hostname()) }

func isPlainRedis(store string) bool {
	u, err := url.Parse(store)
	return err == nil && u.Scheme == "redis" && !reachable.IsLoopback(u.Hostname())
}
