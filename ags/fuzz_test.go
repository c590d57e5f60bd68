package ags_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/ags"
)

// requestSecrets are those of the fuzzed requests. None of them stands in a text
// of the library's own.
var requestSecrets = []string{accessMark, refreshMark, passwordMark, userMark}

// checkError holds an error to what every one promises.
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

// checkToken holds a token to what every one promises.
func checkToken(tb testing.TB, token *ags.Token) {
	tb.Helper()
	assert.False(tb, token.AccessToken.IsZero())
	for _, at := range []time.Time{token.ExpiresAt, token.RefreshExpiresAt, token.FixedExpiresAt} {
		if span := at.Sub(token.IssuedAt); !at.IsZero() {
			assert.Positive(tb, span)
			assert.LessOrEqual(tb, span, 10*365*24*time.Hour)
		}
	}
}

func FuzzTokenAnswer(f *testing.F) {
	f.Add(200, []byte(wireFile(f, "refresh-response.json")))
	f.Add(201, []byte(pair("access_token", accessMark, "refresh_token", refreshMark, "token_type", "mac")))
	f.Add(200, []byte(pair("expires_in", "1e3", "refresh_expires_in", -1, "fixed_refresh_expires_in", 1e12)))
	f.Add(200, []byte(pair("access_token", jwt(`{"exp":1654877093000,"fixed_exp":"9999999999"}`), "expires_in", nil)))
	f.Add(200, []byte(`{"access_token":"a","access_token":"b"}`))
	f.Add(200, []byte(`{"access_token":"a"`))
	f.Add(200, []byte(`{"access_token":"a"} {`))
	f.Add(200, []byte("[]null<html>"))
	f.Fuzz(func(t *testing.T, status int, body []byte) {
		if status < 200 || status > 399 {
			return
		}
		c, w := client(t, nil, reply(status, string(body)))
		token, err := c.Refresh(ags.WithoutRetry(t.Context()), held())
		w.only()
		if err != nil {
			require.Nil(t, token)
			require.ErrorIs(t, err, ags.ErrProtocol)
			checkError(t, err)
			return
		}
		checkToken(t, token)
		assert.False(t, token.RefreshToken.IsZero(), "a refresh keeps the token it has")
	})
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
		c, w := client(t, nil, reply(200, toJSON(fields)))
		answered, err := c.Refresh(ags.WithoutRetry(t.Context()), held())
		w.only()
		if err != nil {
			checkError(t, err)
			return
		}
		checkToken(t, answered)
	})
}

func FuzzRefusal(f *testing.F) {
	for _, body := range []string{
		``, `<html>`, `{"errorCode":20007,"message":"limit"}`, `{"resultCode":"99999:403","result":"x"}`,
		`{"message":` + toJSON("no "+refreshMark+"\x00 of "+passwordMark) + `}`, `{"message":"` + strings.Repeat("é", 300) + `"}`,
		`{"error":"` + refreshMark[:8] + `\u200b` + refreshMark[8:] + `"}`,
	} {
		f.Add(403, []byte(body))
	}
	f.Add(503, []byte("<html>"))
	f.Fuzz(func(t *testing.T, status int, body []byte) {
		if status < 400 || status > 599 {
			return
		}
		c, w := client(t, nil, reply(status, string(body)))
		_, err := c.Refresh(ags.WithoutRetry(t.Context()), held())
		w.only()
		checkError(t, err)
		e := asError(t, err)
		assert.Equal(t, status, e.Status)
		if e.Is(ags.ErrUnauthorized) || e.Is(ags.ErrForbidden) {
			assert.True(t, len(strings.TrimSpace(string(body))) == 0 || json.Valid(body), "no page ends a session")
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
		c, w := client(t, nil, reply(429, "", "Retry-After", value, "Date", date))
		_, err := c.Refresh(ags.WithoutRetry(t.Context()), held())
		w.only()
		checkError(t, err)
	})
}

func FuzzDiscovery(f *testing.F) {
	_, discovery, _ := strings.Cut(wireFile(f, "discover.answer.http"), "\n\n")
	f.Add([]byte(discovery))
	f.Add([]byte(`{"availableServices":[{"displayAttributes":{"a":[1]},"endpoints":[{"parameterProperties":[{"isPassword":1}]}]}]}`))
	f.Add([]byte(`{"availableServices":[null]}`))
	f.Add([]byte(`{"availableServices":7}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		c, w := client(t, nil, reply(200, string(body)))
		d, err := c.Discover(ags.WithoutRetry(t.Context()))
		w.only()
		if err != nil {
			require.Nil(t, d)
			checkError(t, err)
			return
		}
		assert.True(t, json.Valid(body))
	})
}

func FuzzAccountChoice(f *testing.F) {
	_, accounts, _ := strings.Cut(wireFile(f, "sign-on-choice.answer.http"), "\n\n")
	f.Add([]byte(accounts))
	f.Add([]byte(`{"accounts":[{"userAccountToken":"` + userMark + `"}]}`))
	f.Add([]byte(`{"accounts":[{"accountInformation":"{\"userAccountToken\":\"` + userMark + `\"}"}]}`))
	f.Add([]byte(`{"userAccountToken":"a","accounts":[{"accountInformation":"{"},{"accountInformation":[]}]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		c, w := client(t, nil, reply(300, string(body)))
		_, err := c.SignOn(ags.WithoutRetry(t.Context()), ags.SignOnRequest{})
		w.only()
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
