package ags_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/ags"
)

// An invalid status comes from a malformed status line or from a middleware's empty response.
func TestResponse_InvalidStatus(t *testing.T) {
	empty := func(*http.Request) (*http.Response, error) { return &http.Response{}, nil }
	for op, call := range allCalls() {
		c, tr := newClient(t, nil, empty)
		err := call(t.Context(), c)
		require.ErrorIs(t, err, ags.ErrProtocol, op)
		e := asError(t, err)
		assert.True(t, e.Malformed, op)
		assert.False(t, e.NotSent, op)
		assert.False(t, strings.Contains(err.Error(), "status 0"), op)
		tr.only()
	}
	for _, line := range []string{"HTTP/1.1 000 OK", "HTTP/1.1 -00 OK"} {
		c := serveRaw(t, line+"\r\nContent-Length: 0\r\n\r\n")
		for op, call := range allCalls() {
			require.Error(t, call(ags.WithoutRetry(t.Context()), c), "%s: %s", op, line)
		}
	}
}

func TestResponse_ByteOrderMark(t *testing.T) {
	const mark = "\ufeff"
	c, _ := newClient(t, nil, respond(200, mark+tokenJSON()), respond(201, mark+tokenJSON()), respond(200, mark+`{"sessionToken":"s"}`),
		respond(200, mark+`{"availableServices":[]}`),
		respond(300, mark+toJSON(map[string]any{"userAccountToken": userMark, "accounts": []any{
			map[string]any{"accountInformation": mark + `{"userAccountToken":"inner","name":"dave"}`},
		}})))
	token, err := c.Refresh(t.Context(), testToken())
	require.NoError(t, err)
	assert.False(t, token.AccessToken.IsZero())
	_, err = c.SignOn(t.Context(), ags.SignOnRequest{})
	require.NoError(t, err)
	_, err = c.SessionToken(t.Context(), nil)
	require.NoError(t, err)
	_, err = c.Discover(t.Context())
	require.NoError(t, err)
	_, err = c.SignOn(t.Context(), ags.SignOnRequest{})
	choice, ok := errors.AsType[*ags.AccountChoiceError](err)
	require.True(t, ok, "%v", err)
	assert.Equal(t, "inner", choice.Accounts[0].UserToken.Reveal())
	assert.NotContains(t, string(choice.Accounts[0].Information()), "inner")
}

func TestResponse_UnexpectedStatus(t *testing.T) {
	// The body is valid.
	body := tokenJSON("sessionToken", "st-1")
	for _, status := range []int{202, 204, 206, 300, 301, 302, 304, 307, 308} {
		c, tr := newClient(t, nil, respond(status, body, "Location", "https://other.example.com/"), respond(status, body), respond(status, body))
		_, err := c.Refresh(t.Context(), testToken())
		require.ErrorIs(t, err, ags.ErrProtocol, "%d", status)
		assert.Equal(t, status, asError(t, err).Status)
		assert.True(t, asError(t, err).Malformed)
		_, err = c.SubsequentSignOn(t.Context(), ags.NewSecret(userMark), ags.SignOnRequest{})
		require.ErrorIs(t, err, ags.ErrProtocol, "%d", status)
		_, err = c.SessionToken(t.Context(), nil)
		require.ErrorIs(t, err, ags.ErrProtocol, "%d", status)
		assert.Len(t, tr.requests, 3)
	}
	c, tr := newClient(t, nil, respond(302, ""), respond(201, `{"availableServices":[]}`))
	require.ErrorIs(t, c.SignOut(t.Context(), testToken()), ags.ErrProtocol)
	_, err := c.Discover(t.Context())
	require.ErrorIs(t, err, ags.ErrProtocol)
	assert.Len(t, tr.requests, 2)
}

func TestResponse_NoBody(t *testing.T) {
	// This violates the contract of RoundTripper, but must not panic.
	c, tr := newClient(t, nil, func(*http.Request) (*http.Response, error) { return &http.Response{StatusCode: 200}, nil })
	_, err := c.Refresh(t.Context(), testToken())
	require.ErrorIs(t, err, ags.ErrProtocol)
	assert.Contains(t, err.Error(), "the response is empty")
	tr.only()
}

func TestSignOut_NeedsNoBody(t *testing.T) {
	for _, s := range []responder{respond(204, ""), respond(200, "{}"), respond(202, "OK"), respondTruncated(200, `{"a`, errLost)} {
		requests, _, err := callInBubble(t, nil, "sign out", s)
		require.NoError(t, err)
		assert.Len(t, requests, 1)
	}
}
