package transport_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/transport"
)

// assertJudged asserts whether a is treated as a rejection. If not, the caller must get all
// of it.
func assertJudged(t *testing.T, tr *transport.Transport, method string, a *response, rejected bool) {
	t.Helper()
	fine := ok()
	base, source := newBase(a, fine), newSource("old", "new")
	tr.Source, tr.Base = source, base
	c := get(t, urlAPI)
	c.Method = method
	resp, err := c.through(t, tr)
	require.NoError(t, err)
	if rejected {
		assertOpen(t, fine, resp)
		base.assertTokens(t, "old", "new")
		source.assertCalls(t, 2, "old")
		return
	}
	assertOpen(t, a, resp)
	base.assertTokens(t, "old")
	source.assertCalls(t, 1)
}

func TestRejection_ByStatusAndCode(t *testing.T) {
	for _, tc := range []struct {
		name   string
		status int
		text   string
		want   bool
	}{
		{"401", 401, "", true},
		{"401 with any body", 401, `{"resultCode":"20018"}`, true},
		{"the platform's", 403, codeBody, true},
		{"as a number", 403, `{"resultCode":1024}`, true},
		{"as a string", 403, `{"resultCode":"1025"}`, true},
		{"errorCode", 403, `{"message":"m","errorCode":1025}`, true},
		{"code", 403, `{"code":"99999:403"}`, true},
		{"after others", 403, `{"a":{"b":[1,{"code":7}]},"c":[],"d":null,"code":1024}`, true},
		{"with white space", 403, " \n{ \"code\" :\t1024 } ", true},
		{"escaped", 403, `{"\u0063ode":"9999\u0039:403"}`, true},
		{"the first of several codes", 403, `{"code":1,"errorCode":2,"resultCode":"99999:403"}`, true},
		{"errorCode before code", 403, `{"code":20018,"errorCode":"1024"}`, true},
		{"null is ignored", 403, `{"resultCode":null,"errorCode":null,"code":1024}`, true},
		{"an object is ignored", 403, `{"resultCode":{},"errorCode":[1024],"code":1024}`, true},
		{"data after the object", 403, `{"code":1024} and so on`, true},
		{"the 403 of a geo-block", 403, `{"resultCode":"20019","code":1024}`, false},
		{"another code", 403, `{"errorCode":20018,"message":"no VPN, please"}`, false},
		{"the code in the text", 403, `{"message":"99999:403","result":"Bearer Token Expired"}`, false},
		{"the code nested", 403, `{"error":{"code":1024}}`, false},
		{"the name in another case", 403, `{"ResultCode":1024}`, false},
		{"part of the code", 403, `{"code":"99999:4031"}`, false},
		{"another form of the number", 403, `{"code":1024.0}`, false},
		{"with a letter before it", 403, `{"code":"N99999:403"}`, true},
		{"with a letter before another", 403, `{"code":"N1025"}`, true},
		{"with letters before it", 403, `{"code":"NN1025"}`, false},
		{"after a byte order mark", 403, "\ufeff" + `{"code":1024}`, true},
		{"after a part of one", 403, "\ufeff"[:2] + `{"code":1024}`, false},
		{"only the first byte of one", 403, "\ufeff"[:1], false},
		{"an array", 403, `[{"code":1024}]`, false},
		{"an array of a name and a code", 403, `["code",1024]`, false},
		{"a string", 403, `"99999:403"`, false},
		{"empty", 403, ``, false},
		{"no JSON", 403, `<html>code 1024</html>`, false},
		{"truncated before it", 403, `{"message":"m","code":`, false},
		{"truncated within the number", 403, `{"message":"m","code":1024`, false},
		{"truncated within the string", 403, `{"message":"m","code":"1024`, false},
		{"truncated within a name", 403, `{"message":"m","cod`, false},
		{"truncated after it", 403, `{"code":1024,"message":"m`, true},
		{"no colon", 403, `{"code" 1024}`, false},
		{"no comma", 403, `{"a":1 "code":1024}`, false},
		{"beyond the limit", 403, `{"a":"` + strings.Repeat("x", 4096) + `","code":1024}`, false},
		{"a number at the limit", 403, `{"a":"` + strings.Repeat("x", 4096-len(`{"a":"","code":1024`)) + `","code":10240}`, false},
		{"long, but it comes first", 403, `{"code":1024,"a":"` + strings.Repeat("x", 9000) + `"}`, true},
		{"200", 200, codeBody, false},
		{"400", 400, codeBody, false},
		{"404", 404, codeBody, false},
		{"407", 407, codeBody, false},
		{"500", 500, codeBody, false},
		{"302", 302, codeBody, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			a := &response{status: tc.status, media: jsonMedia, text: tc.text}
			assertJudged(t, &transport.Transport{}, http.MethodGet, a, tc.want)
		})
	}
}

func TestRejection_ByMediaType(t *testing.T) {
	for _, tc := range []struct {
		media, encoding, method string
		want                    bool
	}{
		{"application/json", "", "GET", true},
		{"Application/JSON; charset=utf-8", "", "GET", true},
		{"application/json; charset", "", "GET", true}, // an invalid parameter
		{"application/problem+json", "", "GET", true},
		{"application/json", "", "", true},
		{"application/json", "", "HEAD", false},
		{"application/json", "br", "GET", false},
		{"application/json", "gzip, br", "GET", false},
		{"application/json", "identity", "GET", true},
		{"text/html", "", "GET", false},
		{"application/jsonp", "", "GET", false},
		{"application/octet-stream", "", "GET", false},
		{"text/plain; charset=utf-8", "", "GET", true},
		{"", "", "GET", true},
		{"", "", "HEAD", false},
		{";", "", "GET", false},
	} {
		t.Run(tc.media+" "+tc.encoding+" "+tc.method, func(t *testing.T) {
			a := forbidden(codeBody)
			a.media, a.header = tc.media, http.Header{}
			if tc.encoding != "" {
				a.header.Set("Content-Encoding", tc.encoding)
			}
			a.length = -1
			tr := &transport.Transport{IsRejection: nil}
			assertJudged(t, tr, tc.method, a, tc.want)
		})
	}
}

func TestRejection_OtherResponsesAreNotRead(t *testing.T) {
	for name, a := range map[string]*response{
		"200":                {status: 200, media: jsonMedia, text: codeBody},
		"101":                {status: 101, media: jsonMedia, text: codeBody},
		"403 of other media": {status: 403, media: "text/html", text: codeBody},
	} {
		t.Run(name, func(t *testing.T) {
			base := newBase(a)
			resp, err := get(t, urlAPI).through(t, &transport.Transport{Source: newSource("t"), Base: base})
			require.NoError(t, err)
			assert.Same(t, a.body, resp.Body)
			assert.Zero(t, a.body.read.Load())
			base.assertTokens(t, "t")
		})
	}
}

// A 403 may be a stream: reading stops at the end of the object.
func TestRejection_ReadsToTheEndOfTheObject(t *testing.T) {
	first, second := forbidden(""), ok()
	base := newBase(first, second)
	endless := baseFunc(func(req *http.Request) (*http.Response, error) {
		resp, err := base.RoundTrip(req)
		if len(base.seen) == 1 {
			beyond := iotest.ErrReader(errors.New("read on"))
			first.body.Reader = io.MultiReader(strings.NewReader(codeBody), beyond)
			resp.ContentLength = 1 << 20 // too long to be buffered
		}
		return resp, err
	})
	resp, err := get(t, urlAPI).through(t, &transport.Transport{Source: newSource("old", "new"), Base: endless})
	require.NoError(t, err)
	assertOpen(t, second, resp)
	base.assertTokens(t, "old", "new")
}

func TestLegacyRejections(t *testing.T) {
	padded := func(n int) string { return `{"resultCode":"99999:403","a":"` + strings.Repeat("x", n-33) + `"}` }
	require.Len(t, padded(100), 100)
	for _, tc := range []struct {
		name string
		a    response
		want bool
	}{
		{"the usual body", response{status: 200, text: codeBody}, true},
		{"at the limit", response{status: 200, text: padded(4096)}, true},
		{"beyond the limit", response{status: 200, text: padded(4097)}, false},
		{"of unknown length", response{status: 200, text: codeBody, length: -1}, false},
		{"another code", response{status: 200, text: `{"resultCode":"0"}`}, false},
		{"a code that is not used with a 200", response{status: 200, text: `{"code":1024}`}, false},
		{"no code", response{status: 200, text: `{"things":[]}`}, false},
		{"empty", response{status: 200}, false},
		{"201", response{status: 201, text: codeBody}, false},
		{"403", response{status: 403, text: codeBody}, true},
		{"401", response{status: 401}, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			tc.a.media = jsonMedia
			assertJudged(t, &transport.Transport{LegacyRejections: true}, http.MethodGet, &tc.a, tc.want)
		})
	}
	t.Run("of other media", func(t *testing.T) {
		a := &response{status: 200, media: "text/plain", text: codeBody}
		assertJudged(t, &transport.Transport{LegacyRejections: true}, http.MethodGet, a, false)
	})
	for name, a := range map[string]*response{
		"empty":             {status: 200},
		"beyond the limit":  {status: 200, text: padded(4097)},
		"of unknown length": {status: 200, text: codeBody, length: -1},
	} {
		t.Run(name+", and so not touched", func(t *testing.T) {
			a.media = jsonMedia
			tr := &transport.Transport{Source: newSource("t"), Base: newBase(a), LegacyRejections: true}
			resp, err := get(t, urlAPI).through(t, tr)
			require.NoError(t, err)
			assert.Same(t, a.body, resp.Body)
			assert.Zero(t, a.body.read.Load())
		})
	}
	t.Run("not enabled", func(t *testing.T) {
		a := &response{status: 200, media: jsonMedia, text: codeBody}
		assertJudged(t, &transport.Transport{}, http.MethodGet, a, false)
	})
}

// referenceRejection is another implementation of the rule, for complete objects only.
func referenceRejection(data []byte, legacy bool) (rejected, complete bool) {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	var object map[string]any
	if len(data) > 4096 || !json.Valid(data) || dec.Decode(&object) != nil || object == nil {
		return false, false
	}
	for _, name := range []string{"resultCode", "errorCode", "code"} {
		code := ""
		switch v := object[name].(type) {
		case string:
			code = v
		case json.Number:
			code = v.String()
		}
		if code != "" {
			return code == "99999:403" || !legacy && (code == "1024" || code == "1025"), true
		}
	}
	return false, true
}

func FuzzRejectionBody(f *testing.F) {
	for _, seed := range []string{
		codeBody, `{"code":1024}`, `{"errorCode":"1025","x":[{}]}`, `{"code":1024,"code":null}`, `[]`, `{`, ``, `{"code":1024`,
		`{"resultCode":{},"errorCode":"","code":1e3}`, "\xff{\"code\":1024}",
	} {
		f.Add([]byte(seed), jsonMedia, false)
		f.Add([]byte(seed), jsonMedia, true)
	}
	for _, media := range []string{"text/html", "text/plain", ""} {
		f.Add([]byte(codeBody), media, false)
		f.Add([]byte(codeBody), media, true)
	}
	f.Add([]byte(codeBody), `Application/Problem+JSON; charset="`, true)
	f.Fuzz(func(t *testing.T, data []byte, media string, legacy bool) {
		a := forbidden(string(data))
		a.media = media
		if legacy {
			a.status = http.StatusOK
		}
		base, source := newBase(a, ok()), newSource("old", "new")
		tr := &transport.Transport{Source: source, Base: base, LegacyRejections: legacy}
		resp, err := get(t, urlAPI).through(t, tr)
		require.NoError(t, err)
		rejected := len(base.seen) == 2
		if want, complete := referenceRejection(data, legacy); complete && media == jsonMedia {
			assert.Equal(t, want, rejected)
		}
		if !rejected {
			assertOpen(t, a, resp)
			source.assertCalls(t, 1)
			return
		}
		if plain := strings.TrimSpace(media) == "" || strings.Contains(strings.ToLower(media), "text/plain"); legacy || !plain {
			assert.Contains(t, strings.ToLower(media), "json")
		}
		base.assertClosedExcept(t, base.responses[1])
		source.assertCalls(t, 2, "old")
	})
}
