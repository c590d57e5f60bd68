package ags_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/ags"
)

// requestSecrets are the secrets of the requests. The library's own texts contain none of them.
var requestSecrets = []string{accessMark, refreshMark, passwordMark, userMark}

const tenYears = 10 * 365 * 24 * time.Hour

// checkError asserts what holds for every error.
func checkError(tb testing.TB, err error) {
	tb.Helper()
	for _, text := range []string{err.Error(), fmt.Sprintf("%+v", err), fmt.Sprintf("%#v", err)} {
		for _, secret := range requestSecrets {
			assert.NotContains(tb, text, secret)
		}
	}
	if e, ok := errors.AsType[*ags.Error](err); ok {
		assert.LessOrEqual(tb, utf8.RuneCountInString(e.Message), 200)
		assert.True(tb, utf8.ValidString(e.Message))
		assert.Equal(tb, -1, strings.IndexFunc(e.Message, func(r rune) bool { return !unicode.IsPrint(r) }))
		assert.GreaterOrEqual(tb, e.RetryAfter, time.Duration(0))
		assert.LessOrEqual(tb, e.RetryAfter, 5*time.Minute)
	}
}

// checkToken asserts what holds for every token.
func checkToken(tb testing.TB, token *ags.Token) {
	tb.Helper()
	assert.False(tb, token.AccessToken.IsZero())
	for _, at := range []time.Time{token.ExpiresAt, token.RefreshExpiresAt, token.FixedExpiresAt} {
		if span := at.Sub(token.IssuedAt); !at.IsZero() {
			assert.Positive(tb, span)
			assert.LessOrEqual(tb, span, tenYears)
		}
	}
}

// wireSeeds calls add with the status and body of every response to call in testdata/wire,
// in the dialect AGS.
func wireSeeds(f *testing.F, call string, add func(status int, body []byte)) {
	f.Helper()
	wireSeedsOf(f, ags.AGS, call, add)
}

func wireSeedsOf(f *testing.F, dialect ags.Dialect, call string, add func(status int, body []byte)) {
	f.Helper()
	for _, name := range wireNames(f, responseSuffix) {
		parts := wireName.FindStringSubmatch(name)
		if parts != nil && parts[1] == string(dialect) && parts[2] == call {
			head, body := wireParts(f, name+responseSuffix)
			var status int
			_, err := fmt.Sscanf(head, "HTTP/1.1 %d", &status)
			require.NoError(f, err)
			add(status, []byte(body))
		}
	}
}

func FuzzTokenAnswer(f *testing.F) {
	wireSeeds(f, "refresh", func(status int, body []byte) { f.Add(status, body, int32(172800), int32(2592000)) })
	f.Add(201, []byte(tokenJSON("access_token", accessMark, "refresh_token", refreshMark, "token_type", "mac")), int32(0), int32(-1))
	f.Add(200, []byte(tokenJSON("expires_in", "1e3", "refresh_expires_in", -1, "fixed_refresh_expires_in", 1e12)), int32(1), int32(1))
	f.Add(200, []byte(tokenJSON("access_token", jwt(`{"exp":1654877093000,"fixed_exp":"9999999999"}`), "expires_in", nil)), int32(0), int32(0))
	f.Add(200, []byte(`{"access_token":"a"}`), int32(-60), int32(-60))
	f.Add(200, []byte(`{"access_token":"a"} {`), int32(60), int32(60))
	f.Add(200, []byte("[]null<html>"), int32(60), int32(60))
	f.Fuzz(func(t *testing.T, status int, body []byte, refresh, fixed int32) {
		if status < 200 || status > 399 {
			return
		}
		prev := testToken() // with any expiry, because a clock may be wrong
		prev.RefreshExpiresAt = issued.Add(time.Duration(refresh) * time.Second % tenYears)
		prev.FixedExpiresAt = issued.Add(time.Duration(fixed) * time.Second % tenYears)
		c, tr := newClient(t, nil, respond(status, string(body)), respond(status, string(body)))
		ctx := ags.WithoutRetry(t.Context())
		refreshed, err := c.Refresh(ctx, prev)
		checkTokenResult(t, refreshed, err)
		signedOn, errSignOn := c.SubsequentSignOn(ctx, ags.NewSecret(userMark), ags.SignOnRequest{})
		checkTokenResult(t, signedOn, errSignOn)
		assert.Len(t, tr.requests, 2)
		require.Equal(t, err == nil, errSignOn == nil, "a token is valid for every call")
		if err == nil {
			assert.False(t, refreshed.RefreshToken.IsZero(), "a refresh keeps the refresh token")
			assert.Equal(t, signedOn.AccessToken.Reveal(), refreshed.AccessToken.Reveal())
			assert.Equal(t, signedOn.ExpiresAt, refreshed.ExpiresAt)
		}
	})
}

// checkTokenResult asserts what holds for every result of a call that returns a token.
func checkTokenResult(t *testing.T, token *ags.Token, err error) {
	t.Helper()
	if err == nil {
		checkToken(t, token)
		return
	}
	require.Nil(t, token)
	if e, ok := errors.AsType[*ags.Error](err); ok && e.Status == 200 && errors.Is(err, ags.ErrUnauthorized) {
		assert.Contains(t, []int{99999, 1024, 1025}, e.Code, "the platform's rejection of a token")
		return
	}
	require.ErrorIs(t, err, ags.ErrProtocol)
	checkError(t, err)
}

func FuzzClaims(f *testing.F) {
	f.Add([]byte(`{"alg":"HS256"}`), []byte(`{"exp":1654877093,"fixed_exp":1657465493}`), int64(3600), int64(0))
	f.Add([]byte(`{"alg":"??"}`), []byte(`{"exp":1654877093250,"fixed_exp":"1657465493"}`), int64(0), int64(172800))
	f.Add([]byte(`{}`), []byte(`{"exp":1e308,"fixed_exp":-1}`), int64(1), int64(1))
	f.Add([]byte(`[]`), []byte(`{"exp":9999999999,"fixed_exp":0.0001}`), int64(315360000), int64(1))
	f.Fuzz(func(t *testing.T, header, claims []byte, access, refresh int64) {
		b64 := base64.RawURLEncoding.EncodeToString
		token := b64(header) + "." + b64(claims) + "." + b64([]byte("s"))
		fields := map[string]any{"access_token": token, "refresh_token": token, "refresh_expires_in": refresh}
		if access != 0 {
			fields["expires_in"] = access
		}
		c, tr := newClient(t, nil, respond(200, toJSON(fields)))
		refreshed, err := c.Refresh(ags.WithoutRetry(t.Context()), testToken())
		tr.only()
		checkTokenResult(t, refreshed, err)
		// Invalid claims are ignored.
		sound := refresh >= 0 && refresh <= int64(tenYears.Seconds()) && access >= 0 && access <= int64(tenYears.Seconds())
		assert.Equal(t, sound, err == nil)
	})
}

func FuzzErrorResponse(f *testing.F) {
	wireSeeds(f, "refresh", func(status int, body []byte) { f.Add(status, body) })
	for _, body := range []string{
		`{"message":` + toJSON("no "+refreshMark+"\x00 of "+passwordMark) + `}`, `{"message":"` + strings.Repeat("é", 300) + `"}`,
		`{"error":"` + refreshMark[:8] + `\u200b` + refreshMark[8:] + `"}`,
	} {
		f.Add(403, []byte(body))
	}
	f.Fuzz(func(t *testing.T, status int, body []byte) {
		if status < 400 || status > 599 {
			return
		}
		c, tr := newClient(t, nil, respond(status, string(body)))
		_, err := c.Refresh(ags.WithoutRetry(t.Context()), testToken())
		tr.only()
		checkError(t, err)
		e := asError(t, err)
		assert.Equal(t, status, e.Status)
		if e.Is(ags.ErrUnauthorized) || e.Is(ags.ErrForbidden) {
			blank := strings.Trim(string(body), " \t\r\n") == ""
			assert.True(t, blank || json.Valid(body), "only JSON ends a session")
		}
	})
}

func FuzzRetryAfter(f *testing.F) {
	date := issued.UTC().Format(http.TimeFormat)
	f.Add("", "")
	f.Add("7", date)
	f.Add("99999999999999999999", "")
	f.Add("-1", "")
	f.Add(date, issued.Add(-time.Hour).UTC().Format(http.TimeFormat))
	f.Add("Sun Nov  6 08:49:37 1994", "Sunday, 06-Nov-94 08:49:37 GMT")
	f.Fuzz(func(t *testing.T, value, date string) {
		c, tr := newClient(t, nil, respond(429, "", "Retry-After", value, "Date", date))
		_, err := c.Refresh(ags.WithoutRetry(t.Context()), testToken())
		tr.only()
		checkError(t, err)
		require.ErrorIs(t, err, ags.ErrUnavailable)
	})
}

func FuzzDiscovery(f *testing.F) {
	wireSeeds(f, "discover", func(_ int, body []byte) { f.Add(body) })
	f.Add([]byte(`{"availableServices":[{"displayAttributes":{"a":[1]},"endpoints":[{"parameterProperties":[{"isPassword":1}]}]}]}`))
	f.Add([]byte(`{"availableServices":[null]}`))
	f.Add([]byte(`{"availableServices":[{"authServiceName":["` + refreshMark + `"]}]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		c, tr := newClient(t, nil, respond(200, string(body)))
		d, err := c.Discover(ags.WithoutRetry(t.Context()))
		tr.only()
		if err != nil {
			require.Nil(t, d)
			require.ErrorIs(t, err, ags.ErrProtocol)
			checkError(t, err)
			return
		}
		assert.True(t, json.Valid(body))
	})
}

func FuzzSessionToken(f *testing.F) {
	wireSeeds(f, "session-token", func(status int, body []byte) { f.Add(status, body) })
	f.Add(201, []byte(`{"sessionToken":"`+accessMark+`","sessionToken":""}`))
	f.Add(200, []byte(`{"sessionToken":["`+accessMark+`"]}`))
	f.Fuzz(func(t *testing.T, status int, body []byte) {
		if status < 200 || status > 399 {
			return
		}
		c, tr := newClient(t, nil, respond(status, string(body)))
		token, err := c.SessionToken(ags.WithoutRetry(t.Context()), nil)
		tr.only()
		assert.Equal(t, err != nil, token.IsZero())
		if err != nil {
			require.ErrorIs(t, err, ags.ErrProtocol)
			checkError(t, err)
		}
	})
}

func FuzzAccountChoice(f *testing.F) {
	wireSeeds(f, "sign-on", func(status int, body []byte) {
		if status == 300 {
			f.Add(body)
		}
	})
	f.Add([]byte(`{"accounts":[{"userAccountToken":"` + userMark + `"}]}`))
	f.Add([]byte(`{"accounts":[{"accountInformation":"{\"userAccountToken\":\"` + userMark + `\"}"}]}`))
	f.Add([]byte(`{"userAccountToken":"a","accounts":[{"accountInformation":"{"},{"accountInformation":[]}]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		c, tr := newClient(t, nil, respond(300, string(body)))
		_, err := c.SignOn(ags.WithoutRetry(t.Context()), ags.SignOnRequest{})
		tr.only()
		require.Error(t, err)
		checkError(t, err)
		choice, ok := errors.AsType[*ags.AccountChoiceError](err)
		if !ok {
			require.ErrorIs(t, err, ags.ErrProtocol)
			return
		}
		for _, a := range choice.Accounts {
			assert.False(t, a.UserToken.IsZero())
			assert.NotContains(t, a.Fields(), "userAccountToken")
			if info := a.Information(); info != nil {
				assert.True(t, json.Valid(info), "%s", info)
			}
		}
	})
}

// A request goes to the host of BaseURL, whatever the path is.
func FuzzBaseURL(f *testing.F) {
	f.Add("https://gw.example.com", "", false)
	f.Add("https://gw.example.com:8443/edge%20x/", "/ias/v3/token/actions/refresh", false)
	f.Add("http://[::1]:80", "d%2Fd/../e", false)
	f.Add("http://gw.example.com", "//other.example.com/", true)
	f.Add("https://user:hunter22@gw.example.com", "https://other.example.com/", false)
	f.Add("https://gw.example.com/?q=hunter22", "?q", false)
	f.Add("http://LocalHost", "a:b", false)
	f.Add("http://127.0.0.1%2eexample.com", "\\", false)
	f.Fuzz(func(t *testing.T, base, path string, insecure bool) {
		tr := &fakeTransport{tb: t, responders: []responder{respond(200, tokenJSON())}}
		cfg := testConfig(tr)
		cfg.BaseURL, cfg.Paths.Refresh, cfg.AllowInsecure = base, path, insecure
		c, err := ags.New(cfg)
		if err != nil {
			assert.Regexp(t, "^ags: config: ", err.Error())
			if !strings.Contains(path, "hunter22") {
				assert.NotContains(t, err.Error(), "hunter22")
			}
			return
		}
		_, err = c.Refresh(ags.WithoutRetry(t.Context()), testToken())
		require.NoError(t, err)
		meant, err := url.Parse(base)
		require.NoError(t, err)
		sent, err := url.Parse(tr.only().url)
		require.NoError(t, err)
		assert.Equal(t, meant.Scheme, sent.Scheme)
		assert.Equal(t, meant.Hostname(), sent.Hostname())
		assert.Equal(t, meant.Port(), sent.Port())
		assert.Nil(t, sent.User)
		assert.Empty(t, sent.RawQuery+sent.Fragment)
		host, _, _ := strings.Cut(strings.ToLower(sent.Hostname()), "%") // without a zone
		loopback := host == "localhost" || net.ParseIP(host).IsLoopback()
		assert.True(t, sent.Scheme == "https" || sent.Scheme == "http" && (insecure || loopback), "%s", sent)
	})
}
