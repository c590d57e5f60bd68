package ags_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/url"
	"slices"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/ags"
)

// Whatever a response of IASv2 is, only a JSON object without an access_token is a refusal,
// and a token comes from an object with one.
func FuzzRefusal(f *testing.F) {
	for _, call := range []string{"refresh", "sign-on"} {
		wireSeedsOf(f, ags.IASv2, call, func(status int, body []byte) { f.Add(status, body) })
	}
	wireSeeds(f, "refresh", func(status int, body []byte) { f.Add(status, body) })
	f.Add(401, []byte("{\"message\":\"\xab\"}"))
	f.Add(500, []byte(`{"access_token":null,"error":{"code":20003}} `))
	f.Add(404, []byte("\ufeff"+`{"message":"UNAUTHORIZED `+refreshMark+`"}`))
	f.Fuzz(func(t *testing.T, status int, body []byte) {
		if status < 200 || status > 599 {
			return
		}
		c, tr := newClient(t, func(c *ags.Config) { c.Dialect = ags.IASv2 }, respond(status, string(body)))
		token, err := c.Refresh(ags.WithoutRetry(t.Context()), testToken())
		tr.only()
		var object map[string]json.RawMessage
		isObject := json.Unmarshal(bytes.TrimPrefix(body, []byte("\ufeff")), &object) == nil && object != nil
		if err == nil {
			checkToken(t, token)
			assert.Contains(t, object, "access_token")
			return
		}
		require.Nil(t, token)
		checkError(t, err)
		e := asError(t, err)
		if e.Refusal {
			assert.True(t, isObject, "%d %s", status, body)
			assert.True(t, errors.Is(e, ags.ErrUnauthorized) != errors.Is(e, ags.ErrForbidden))
			assert.NotEmpty(t, object, "the gateway's words, of which an error shows what can be printed")
		}
		if errors.Is(e, ags.ErrUnauthorized) && !e.Refusal {
			assert.Equal(t, 401, status, "as in AGS")
		}
	})
}

// The parameters of a sign-on arrive as they were given, and nothing else does.
func FuzzGrantQuery(f *testing.F) {
	f.Add("username", "dave", "password", passwordMark)
	f.Add("pin", "&grant_type=refresh_token", "a=b", "#/?\r\n%00 ;")
	f.Add("", "", "grant_type", "x")
	f.Fuzz(func(t *testing.T, name1, value1, name2, value2 string) {
		tr := &fakeTransport{tb: t, responders: []responder{respond(200, tokenJSON())}}
		cfg := testConfig(tr)
		cfg.Dialect = ags.IASv2
		c, err := ags.New(cfg)
		require.NoError(t, err)
		_, err = c.SignOn(ags.WithoutRetry(t.Context()), ags.SignOnRequest{
			Parameters: []ags.Parameter{{Name: name1, Value: value1}, {Name: name2, Value: value2}},
		})
		isReserved := func(name string) bool { return name == "" || name == "grant_type" || name == "refresh_token" }
		isInvalid := func(s string) bool { return !utf8.ValidString(s) }
		if isReserved(name1) || isReserved(name2) || slices.ContainsFunc([]string{name1, value1, name2, value2}, isInvalid) {
			require.Error(t, err)
			assert.Empty(t, tr.requests)
			return
		}
		require.NoError(t, err)
		sent, err := url.Parse(tr.only().url)
		require.NoError(t, err)
		assert.Equal(t, "/ias/v2/token", sent.Path)
		assert.Equal(t, "gateway.example.com", sent.Host)
		assert.Empty(t, sent.Fragment)
		got, err := url.ParseQuery(sent.RawQuery)
		require.NoError(t, err)
		want := url.Values{"grant_type": {"password"}}
		want.Add(name1, value1)
		want.Add(name2, value2)
		assert.Equal(t, want, got)
	})
}
