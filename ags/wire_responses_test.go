package ags_test

import (
	"encoding/json"
	"errors"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/ags"
	"github.com/agsauth/agsauth/clock"
)

// wireResult is the result of a call in a form to compare. Times are durations since the
// request was sent.
type wireResult struct {
	token     *wireToken
	discovery *ags.Discovery
	accounts  []wireAccount
	session   string
	signedOut bool
	err       *wireError
}

// wireToken is a token without its secrets.
type wireToken struct {
	access, refresh, fixed time.Duration // 0 for an unknown expiry
	fixedClaim             bool
	tokenType, client      string
	account                string
	keptRefresh            bool // the refresh token is the previous one
}

type wireAccount struct{ userToken, information string }

// wireError is an [ags.Error]. class is the name of its class, "" for none.
type wireError struct {
	class        string
	status, code int
	message      string
	retryAfter   time.Duration
	malformed    bool
	refusal      bool
}

// A response has the same meaning if our clock is wrong.
func TestWire_Responses(t *testing.T) {
	results := wireResults()
	for name, want := range results {
		t.Run(name, func(t *testing.T) {
			for _, off := range []time.Duration{0, -time.Hour, 40 * 24 * time.Hour} {
				assert.Equal(t, want, wireResultOf(t, name, issued.Add(off)), "if our clock is off by %v", off)
			}
		})
	}
	assert.ElementsMatch(t, slices.Collect(maps.Keys(results)), wireNames(t, responseSuffix), "each file has its row")
}

// wireName is the form of a response's file name: the dialect unless it is AGS, the call, the
// status and a description.
var wireName = regexp.MustCompile(`^(?:(ias-v\d)-)?([a-z-]+?)-(\d{3})(?:-[\w-]+)?$`)

// wireResultOf makes the call of a file when our clock shows at, with the file as the response.
func wireResultOf(t *testing.T, name string, at time.Time) wireResult {
	t.Helper()
	parts := wireName.FindStringSubmatch(name)
	require.NotNil(t, parts, "%s is not called after a call and a status", name)
	head, body := wireParts(t, name+responseSuffix)
	require.True(t, strings.HasPrefix(head, "HTTP/1.1 "+parts[3]+" "), "%s has another status", name)

	c, tr := newClient(t, func(c *ags.Config) {
		c.Clock, c.Dialect = clock.NewFake(at), ags.Dialect(parts[1])
	}, respondWithFile(t, name))
	ctx := ags.WithoutRetry(ags.WithCorrelationID(t.Context(), "flow-1"))
	var got wireResult
	var token *ags.Token
	var session ags.Secret
	var err error
	switch call := parts[2]; call {
	case "discover":
		got.discovery, err = c.Discover(ctx)
	case "sign-on":
		token, err = c.SignOn(ctx, ags.SignOnRequest{})
	case "subsequent-sign-on":
		token, err = c.SubsequentSignOn(ctx, ags.NewSecret(userMark), ags.SignOnRequest{})
	case "session-token":
		session, err = c.SessionToken(ctx, nil)
		got.session = session.Reveal()
	case "sign-on-with-session-token":
		token, err = c.SignOnWithSessionToken(ctx, ags.SignOnRequest{})
	case "refresh":
		token, err = c.Refresh(ctx, refreshed())
	case "sign-out":
		err = c.SignOut(ctx, testToken())
		got.signedOut = err == nil
	default:
		t.Fatalf("there is no call %s", call)
	}
	tr.only()
	if err != nil {
		assert.Equal(t, wireResult{}, got, "a call returns a result or an error")
		assert.Nil(t, token)
		return wireErrorResult(t, err)
	}
	if token != nil {
		got.token = wireTokenOf(t, token, body, at)
	}
	return got
}

// refreshed returns the token that is refreshed.
func refreshed() *ags.Token {
	t := testToken()
	t.ClientID, t.AccountID = "PUB_1", "7"
	return t
}

// wireTokenOf returns a token that came in body.
func wireTokenOf(t *testing.T, token *ags.Token, body string, at time.Time) *wireToken {
	t.Helper()
	var raw map[string]any
	require.NoError(t, json.Unmarshal([]byte(strings.TrimPrefix(body, "\ufeff")), &raw))
	assert.Equal(t, raw["access_token"], token.AccessToken.Reveal())
	assertInstant(t, at, token.IssuedAt, "issued")
	_, given := raw["refresh_token"]
	if given {
		assert.Equal(t, raw["refresh_token"], token.RefreshToken.Reveal())
	} else {
		assert.Equal(t, refreshMark, token.RefreshToken.Reveal())
	}
	after := func(expiry time.Time) time.Duration {
		if expiry.IsZero() {
			return 0
		}
		return expiry.Sub(at)
	}
	return &wireToken{
		access: after(token.ExpiresAt), refresh: after(token.RefreshExpiresAt), fixed: after(token.FixedExpiresAt),
		fixedClaim: token.HasFixedClaim(), tokenType: token.TokenType, client: token.ClientID, account: token.AccountID,
		keptRefresh: !given,
	}
}

// wireErrorResult returns the result of a call that failed.
func wireErrorResult(t *testing.T, err error) wireResult {
	t.Helper()
	checkError(t, err)
	if choice, ok := errors.AsType[*ags.AccountChoiceError](err); ok {
		var accounts []wireAccount
		for _, a := range choice.Accounts {
			accounts = append(accounts, wireAccount{a.UserToken.Reveal(), string(a.Information())})
		}
		return wireResult{accounts: accounts}
	}
	e := asError(t, err)
	assert.Equal(t, "flow-1", e.CorrelationID)
	class := ""
	for name, sentinel := range map[string]error{
		"unauthorized": ags.ErrUnauthorized, "forbidden": ags.ErrForbidden,
		"unavailable": ags.ErrUnavailable, "protocol": ags.ErrProtocol,
	} {
		if errors.Is(err, sentinel) {
			class += name
		}
	}
	return wireResult{err: &wireError{class, e.Status, e.Code, e.Message, e.RetryAfter, e.Malformed, e.Refusal}}
}
