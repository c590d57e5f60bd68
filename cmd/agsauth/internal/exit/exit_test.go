package exit_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/agsauth/agsauth/ags"
	"github.com/agsauth/agsauth/cmd/agsauth/internal/exit"
	"github.com/agsauth/agsauth/tokensource"
)

func TestStatusOf(t *testing.T) {
	away := &ags.Error{Op: "sign on", Status: 503}
	rejected := &ags.Error{Op: "refresh", Status: 401}
	for name, tt := range map[string]struct {
		err  error
		want int
	}{
		"nothing":                          {nil, exit.OK},
		"any error":                        {errors.New("x"), exit.Failure},
		"usage":                            {exit.Usagef("x"), exit.Usage},
		"usage, wrapped":                   {fmt.Errorf("y: %w", exit.Usagef("x")), exit.Usage},
		"interrupted":                      {exit.ErrInterrupted, exit.Interrupted},
		"canceled":                         {context.Canceled, exit.Interrupted},
		"the session has ended":            {&tokensource.LoginRequiredError{Reason: tokensource.FixedExpired}, exit.SignIn},
		"a refresh was rejected":           {&tokensource.LoginRequiredError{Reason: tokensource.RefreshRejected, Err: rejected}, exit.SignIn},
		"a sign-on met an absent gateway":  {&tokensource.LoginRequiredError{Reason: tokensource.FixedExpired, Err: away}, exit.Unreachable},
		"the gateway is away":              {&tokensource.UnavailableError{Err: away}, exit.Unreachable},
		"the gateway has not answered":     {&tokensource.UnavailableError{Err: context.DeadlineExceeded}, exit.Unreachable},
		"the account is suspended":         {&ags.Error{Op: "refresh", Status: 403, Code: 20002}, exit.Failure},
		"a proxy's page":                   {&ags.Error{Op: "refresh", Status: 401, Malformed: true}, exit.Failure},
		"an error with a status, no text":  {&exit.Error{Status: 77}, 77},
		"unavailable because of the store": {&tokensource.UnavailableError{Err: errors.New("disk full")}, exit.Failure},
	} {
		assert.Equal(t, tt.want, exit.StatusOf(tt.err), name)
	}
}

func TestMessage(t *testing.T) {
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		err  error
		want string
	}{
		{&exit.Error{Status: 1}, ""},
		{&exit.Error{Status: 1, Err: errors.New("it broke"), Hint: "mend it"}, "it broke; mend it"},
		{&exit.Error{Status: 3, Err: errors.New("it ended")}, "it ended"},
		{
			&tokensource.LoginRequiredError{Reason: tokensource.FixedExpired, At: at},
			"login required: the session has reached its fixed end at 2026-03-01T12:00:00Z; to sign in again, run agsauth login",
		},
		{
			&ags.Error{Op: "refresh", Status: 503, CorrelationID: "c-1"},
			"refresh: status 503 (correlation id c-1); try again later, or run agsauth doctor",
		},
	} {
		assert.Equal(t, tt.want, exit.Message(tt.err, nil))
	}
	ofProfile := func(name string) string { return "agsauth " + name + " --profile b" }
	assert.Contains(t, exit.Message(&tokensource.LoginRequiredError{Reason: tokensource.NoSession}, ofProfile), "run agsauth login --profile b")
	assert.Contains(t, exit.Message(&ags.Error{Op: "refresh", Status: 503}, ofProfile), "run agsauth doctor --profile b")
}
