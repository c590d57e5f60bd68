package agstest_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/agstest"
)

func TestRequest_PrintsNoSecretOfTheQuery(t *testing.T) {
	const mark = "M4RK %/ö"
	escaped := url.QueryEscape(mark)
	// A client may have been configured for the wrong dialect.
	for _, d := range []agstest.Dialect{agstest.AGS, agstest.IASv3, agstest.IASv2} {
		srv, _ := startServer(t, agstest.Config{Dialect: d})
		grant(t, srv, "?grant_type=password&username="+escaped+"&password="+escaped+"&pin="+escaped, "{}")
		grant(t, srv, "?grant_type=refresh_token&refresh_token="+escaped, "{}")
		var requests []agstest.Request
		for _, op := range []agstest.Op{agstest.SignOn, agstest.Refresh, agstest.Other} {
			requests = append(requests, srv.Requests(op)...)
		}
		require.Len(t, requests, 2)
		signedOn, refreshed := requests[0], requests[1]
		assert.Equal(t, "grant_type=password&username=[redacted]&password=[redacted]&pin=[redacted]", signedOn.Query)
		assert.Equal(t, "grant_type=refresh_token&refresh_token=[redacted]", refreshed.Query)
		assert.Equal(t, mark, signedOn.RevealQuery("pin"))
		assert.True(t, refreshed.Carries(mark))
		assert.False(t, signedOn.Carries(mark))
		assert.False(t, signedOn.Carries(""))

		var out strings.Builder
		for _, v := range []any{requests, signedOn, &refreshed, struct{ rq agstest.Request }{signedOn}} {
			for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
				fmt.Fprintf(&out, verb+"\n", v)
			}
			slog.New(slog.NewJSONHandler(&out, nil)).InfoContext(t.Context(), "m", slog.Any("request", v))
		}
		inJSON, err := json.Marshal(signedOn.Query)
		require.NoError(t, err)
		out.Write(inJSON)
		failed := &recorder{} // testify shows unexported fields
		assert.Equal(failed, []agstest.Request{}, requests)
		out.WriteString(failed.String())
		for _, form := range []string{"M4RK", fmt.Sprintf("%x", "M4RK")} {
			assert.Equal(t, -1, strings.Index(out.String(), form))
		}
	}
	assert.Empty(t, agstest.Request{}.RevealQuery("pin"))
}

func TestShownQuery(t *testing.T) {
	for query, want := range map[string]string{
		"":                                  "",
		"x=1":                               "x=1",
		"x=1&&y":                            "x=1&&y",
		"token=a&x=1":                       "token=[redacted]&x=1",
		"TOKEN=a&Client-token=b":            "TOKEN=[redacted]&Client-token=[redacted]",
		"to%6ben=a":                         "to%6ben=[redacted]",
		"a%zz=b&x=1":                        "[redacted]&x=1",
		"=secret":                           "[redacted]",
		"password=a=b":                      "password=[redacted]",
		"password":                          "password",
		"secret&grant_type=password":        "[redacted]&grant_type=password",
		"grant_type=refresh_token&x=1&=2":   "grant_type=refresh_token&x=[redacted]&[redacted]",
		"grant_type=a&grant_type=b&p;q=1;r": "grant_type=a&grant_type=b&p;q=[redacted]",
	} {
		assert.Equal(t, want, agstest.ShownQuery(query), query)
	}
}

// A secret in a query is never shown, whatever stands around it.
func FuzzShownQuery(f *testing.F) {
	f.Add("grant_type=password", "password", "")
	f.Add("", "ToKen", "&x=1")
	f.Add("a;b=%zz", "refresh_token", ";&=")
	f.Fuzz(func(t *testing.T, before, name, after string) {
		const secret = "S3CR3T"
		isSecret := strings.Contains("\x00access_token\x00password\x00refresh_token\x00token\x00", "\x00"+strings.ToLower(name)+"\x00")
		if strings.Contains(before+name+after, secret) || !isSecret && !strings.Contains("&"+before+"&", "&grant_type=") {
			return
		}
		shown := agstest.ShownQuery(before + "&" + name + "=" + secret + after)
		assert.NotContains(t, shown, secret)
		assert.Equal(t, strings.Count(before+name+after, "&")+1, strings.Count(shown, "&"), "each pair is shown")
	})
}

// A sign-on of IASv2 is granted to the user only, and for nothing but the parameters that it
// needs, each once.
func FuzzGrant(f *testing.F) {
	f.Add("grant_type=password&username=dave&password=open%20sesame", "{}")
	f.Add("password=open+sesame&username=dave&grant_type=password&x=1", deviceBody)
	f.Add("grant_type=password&username=dave&password=open%20sesame&password=x", "{")
	f.Add("grant_type=password&username=dave&password=open%20sesame;a", "[]")
	srv := agstest.NewServer(agstest.Config{Dialect: agstest.IASv2, DeviceLimit: -1})
	f.Cleanup(srv.Close)
	f.Fuzz(func(t *testing.T, query, body string) {
		if strings.ContainsFunc(query, func(r rune) bool { return r <= ' ' || r >= 0x7f || r == '#' }) {
			return // no client sends it
		}
		r := grant(t, srv, "?"+query, body)
		require.NoError(t, r.err)
		sent, err := url.ParseQuery(query)
		isUser := len(sent["username"]) == 1 && sent.Get("username") == agstest.DefaultUsername &&
			len(sent["password"]) == 1 && sent.Get("password") == agstest.DefaultPassword
		var object map[string]any
		isObject := json.Unmarshal([]byte(body), &object) == nil && object != nil
		isGrant := err == nil && isUser && isObject && len(sent["grant_type"]) == 1 && sent.Get("grant_type") == "password"
		assert.Equal(t, isGrant, r.status == 200, "%d %.100s", r.status, r.body)
	})
}
