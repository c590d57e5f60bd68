package ags_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/ags"
)

// allCalls returns a function for each call, by Op.
func allCalls() map[string]func(context.Context, *ags.Client) error {
	return map[string]func(context.Context, *ags.Client) error{
		"discover": func(ctx context.Context, c *ags.Client) error { _, err := c.Discover(ctx); return err },
		"sign on": func(ctx context.Context, c *ags.Client) error {
			_, err := c.SignOn(ctx, ags.SignOnRequest{})
			return err
		},
		"subsequent sign on": func(ctx context.Context, c *ags.Client) error {
			_, err := c.SubsequentSignOn(ctx, ags.NewSecret(userMark), ags.SignOnRequest{})
			return err
		},
		"session token": func(ctx context.Context, c *ags.Client) error { _, err := c.SessionToken(ctx, nil); return err },
		"sign on with session token": func(ctx context.Context, c *ags.Client) error {
			_, err := c.SignOnWithSessionToken(ctx, ags.SignOnRequest{})
			return err
		},
		"refresh":  func(ctx context.Context, c *ags.Client) error { _, err := c.Refresh(ctx, testToken()); return err },
		"sign out": func(ctx context.Context, c *ags.Client) error { return c.SignOut(ctx, testToken()) },
	}
}

// makeAllCalls makes every call successfully, in the order of [ags.Paths], and returns the
// requests.
func makeAllCalls(t *testing.T, change func(*ags.Config)) []sentRequest {
	t.Helper()
	c, tr := newClient(t, change, respond(200, `{"availableServices":[]}`), respond(201, tokenJSON()), respond(201, tokenJSON()),
		respond(200, `{"sessionToken":"s"}`), respond(201, tokenJSON()), respond(200, tokenJSON()), respond(200, ""))
	for _, op := range []string{
		"discover", "sign on", "subsequent sign on", "session token", "sign on with session token", "refresh", "sign out",
	} {
		require.NoError(t, allCalls()[op](t.Context(), c), op)
	}
	require.Len(t, tr.requests, 7)
	return tr.requests
}

// callInBubble makes a call in fake time. It returns the requests, the time that passed and the error.
func callInBubble(t *testing.T, change func(*ags.Config), op string, responders ...responder) (requests []sentRequest, waited time.Duration, err error) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		c, tr := newClient(t, func(cfg *ags.Config) {
			realClock(cfg)
			if change != nil {
				change(cfg)
			}
		}, responders...)
		start := time.Now()
		err = allCalls()[op](t.Context(), c)
		requests, waited = tr.requests, time.Since(start)
	})
	return requests, waited, err
}
