package ags_test

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/ags"
)

// refreshError returns the error of a refresh with this response.
func refreshError(t *testing.T, s responder) *ags.Error {
	t.Helper()
	c, tr := newClient(t, nil, s)
	_, err := c.Refresh(ags.WithoutRetry(t.Context()), testToken())
	require.Error(t, err)
	tr.only()
	return asError(t, err)
}

// Keeps G6.
func TestErrorResponse_Class(t *testing.T) {
	const html = "<html>denied</html>"
	withCode := func(code string) string { return `{"errorCode":` + code + `}` }
	for _, tc := range []struct {
		name, body string
		statuses   []int
		want       error
	}{
		{"empty", "", []int{401}, ags.ErrUnauthorized},
		{"blank", " \n", []int{401}, ags.ErrUnauthorized},
		{"JSON", `{}`, []int{401}, ags.ErrUnauthorized},
		{"JSON, but not an object", `"Unauthorized"`, []int{401}, ags.ErrUnauthorized},
		{"device deleted", withCode("20003"), []int{403}, ags.ErrUnauthorized},
		{"token invalid", withCode(`"20020"`), []int{403}, ags.ErrUnauthorized},
		{"suspended", withCode("20002"), []int{403}, ags.ErrForbidden},
		{"geo-blocked", withCode("20019"), []int{403}, ags.ErrForbidden},
		{"no code", ``, []int{403}, ags.ErrForbidden},
		{"device deleted, with another status", withCode("20003"), []int{400, 404, 409}, nil},
		{"a caller's mistake", `{"message":"no"}`, []int{400, 404, 409, 422}, nil},
		{"device deleted, older code", withCode("1016"), []int{403}, ags.ErrUnauthorized},
		{"device deleted, alternative code", withCode("20006"), []int{403}, ags.ErrUnauthorized},
		{"device deleted, by name", `{"code":"DEVICE_DELETED"}`, []int{403}, ags.ErrUnauthorized},
		{"token rejected", `{"resultCode":"99999:403","result":"Bearer Token Expired"}`, []int{200, 403}, ags.ErrUnauthorized},
		{"token expired", withCode("1024"), []int{200, 403}, ags.ErrUnauthorized},
		{"token expired, alternative code", withCode(`"N1025"`), []int{200, 403}, ags.ErrUnauthorized},
		{"nested", `{"error":{"code":"N20003"}}`, []int{403}, ags.ErrUnauthorized},
		{"token rejected, with another status", withCode(`"99999:404"`), []int{404, 409}, nil},
		{"a 200 with another code", withCode("20020"), []int{200}, ags.ErrProtocol},
		{"after a byte order mark", "\ufeff" + withCode("20003"), []int{403}, ags.ErrUnauthorized},
		{"only a byte order mark", "\ufeff", []int{401}, ags.ErrUnauthorized},
		{"transient", `{}`, []int{408, 425, 429, 500, 502, 503, 504, 599}, ags.ErrUnavailable},
		{"transient, from a proxy", html, []int{408, 425, 429, 500, 502, 503, 504, 520, 522, 524, 599}, ags.ErrUnavailable},
		{"invalid status", withCode("20003"), []int{0, -1, 42, 600, 999}, ags.ErrProtocol},
		{"from a firewall", html, []int{400, 401, 403, 404, 407, 451}, ags.ErrProtocol},
		{"plain text", "Forbidden", []int{401, 403}, ags.ErrProtocol},
		{"JSON with other white space", "{}\v", []int{401, 403}, ags.ErrProtocol},
		{"only other white space", "\u00a0", []int{401, 403}, ags.ErrProtocol},
		{"data after the JSON", `{"errorCode":20003} x`, []int{401, 403}, ags.ErrProtocol},
		{"truncated JSON", `{"errorCode":20003`, []int{401, 403}, ags.ErrProtocol},
		{"too long", strings.Repeat(" ", 1<<20+1), []int{401, 403}, ags.ErrProtocol},
		{"transient, too long", strings.Repeat("x", 1<<20+1), []int{503}, ags.ErrUnavailable},
	} {
		for _, status := range tc.statuses {
			e := refreshError(t, respond(status, tc.body))
			assert.Equal(t, status, e.Status, tc.name)
			assert.Equal(t, errors.Is(tc.want, ags.ErrProtocol), e.Malformed, tc.name)
			assert.False(t, e.NotSent, tc.name)
			for _, class := range classes {
				assert.Equal(t, errors.Is(tc.want, class), errors.Is(e, class), "%s: %d Is %v", tc.name, status, class)
			}
		}
	}
}

func TestError_Class(t *testing.T) {
	for _, tc := range []struct {
		e    ags.Error
		want error
	}{
		{ags.Error{}, ags.ErrUnavailable},
		{ags.Error{Status: 401}, ags.ErrUnauthorized},
		{ags.Error{Status: 403, Code: 20020}, ags.ErrUnauthorized},
		{ags.Error{Status: 403, Code: 20020, Malformed: true}, ags.ErrProtocol},
		{ags.Error{Status: 403}, ags.ErrForbidden},
		{ags.Error{Status: 302}, ags.ErrProtocol},
		{ags.Error{Status: 404}, nil},
	} {
		for _, class := range classes {
			assert.Equal(t, errors.Is(tc.want, class), errors.Is(&tc.e, class), "%+v", tc.e)
		}
	}
}

func TestErrorResponse_Code(t *testing.T) {
	for body, want := range map[string]int{
		`{"errorCode":20007}`:                     20007,
		`{"code":20007}`:                          20007,
		`{"resultCode":20007}`:                    20007,
		`{"errorCode":"20007"}`:                   20007,
		`{"errorCode":20007.0}`:                   20007,
		`{"resultCode":"99999:403"}`:              99999,
		`{"errorCode":1,"code":2,"resultCode":3}`: 1,
		`{"resultCode":3,"code":2}`:               2,
		`{"errorCode":null,"code":2}`:             2,
		`{"errorCode":"E-17","resultCode":"3"}`:   3,
		`{"errorCode":"E-17"}`:                    0,
		`{"errorCode":"20007x"}`:                  0,
		`{"errorCode":1.5}`:                       0,
		`{"errorCode":1e99}`:                      0,
		`{"errorCode":2147483647}`:                2147483647,
		`{"errorCode":"2147483647"}`:              2147483647,
		`{"errorCode":2147483648}`:                0,
		`{"errorCode":"2147483648"}`:              0,
		`{"errorCode":"99999999999"}`:             0,
		`{"errorCode":{"code":1}}`:                1,
		`{"errorCode":"N20003"}`:                  20003,
		`{"errorCode":"n99999:403"}`:              99999,
		`{"code":"DEVICE_DELETED"}`:               20003,
		`{"code":"DEVICE_DISABLED"}`:              0,
		`{"errorCode":"NN20003"}`:                 0,
		`{"errorCode":"N"}`:                       0,
		`{"errorCode":""}`:                        0,
		`{"error":{"code":1}}`:                    1,
		`{"error":{"error":{"code":1}}}`:          0,
		`{"b":{"code":2},"a":{"code":1}}`:         1,
		`{"code":3,"a":{"code":1}}`:               3,
		`[20007]`:                                 0,
		`20007`:                                   0,
		`{"ERRORCODE":20007}`:                     0,
	} {
		assert.Equal(t, want, refreshError(t, respond(403, body)).Code, body)
	}
}

func TestErrorResponse_Message(t *testing.T) {
	for body, want := range map[string]string{
		`{"message":"device limit reached"}`:    "device limit reached",
		`{"errorMessage":"a"}`:                  "a",
		`{"localeMessage":"a"}`:                 "a",
		`{"error_description":"a","error":"b"}`: "a",
		`{"error":"b"}`:                         "b",
		`{"resultCode":"99999:403","localeMessage":"none","result":"Bearer Token Expired"}`: "Bearer Token Expired",
		`{"message":"","description":"a"}`:                                                  "a",
		`{"message":7,"result":"a"}`:                                                        "a",
		`{"message":" a\tb\r\nc\u0000\u001b[31m\u202e\u200bd "}`:                            "a b  c[31md",
		`{"message":"` + strings.Repeat("é", 300) + `"}`:                                    strings.Repeat("é", 200),
		`{}`:  "",
		``:    "",
		`"a"`: "",
	} {
		assert.Equal(t, want, refreshError(t, respond(403, body)).Message, body)
	}
}

func TestError_Text(t *testing.T) {
	c, tr := newClient(t, nil, respond(403, `{"errorCode":20007,"message":"limit"}`))
	_, err := c.SignOn(ags.WithCorrelationID(t.Context(), "flow-1"), ags.SignOnRequest{})
	require.EqualError(t, err, "ags: sign on: status 403 code 20007: limit (correlation id flow-1)")
	tr.only()
}

func TestErrorResponse_ProxyPageIsNotQuoted(t *testing.T) {
	e := refreshError(t, respond(403, "<html>secret page</html>", "Content-Type", "text/html"))
	assert.Equal(t, "the response is text/html, not JSON", e.Message)
}

func TestErrorResponse_Truncated(t *testing.T) {
	e := refreshError(t, respondTruncated(401, `{"errorCode"`, io.ErrUnexpectedEOF))
	require.ErrorIs(t, e, ags.ErrProtocol, "a truncated response may not be the gateway's")
	require.ErrorIs(t, e, io.ErrUnexpectedEOF)
	e = refreshError(t, respondTruncated(503, `{"errorCode"`, io.ErrUnexpectedEOF))
	require.ErrorIs(t, e, ags.ErrUnavailable)
	require.ErrorIs(t, e, io.ErrUnexpectedEOF)
}

func TestRetryAfter(t *testing.T) {
	date := func(after time.Duration) string { return issued.Add(after).UTC().Format(http.TimeFormat) }
	for _, tc := range []struct {
		value, date string
		want        time.Duration
	}{
		{"", "", 0},
		{"0", "", 0},
		{"7", "", 7 * time.Second},
		{" 007 ", "", 7 * time.Second},
		{"300", "", 5 * time.Minute},
		{"301", "", 5 * time.Minute},
		{"99999999999999999999999999", "", 5 * time.Minute},
		{"-7", "", 0},
		{"1.5", "", 0},
		{"soon", "", 0},
		{date(30 * time.Second), "", 30 * time.Second}, // compared with our own clock
		{date(time.Hour + 30*time.Second), date(time.Hour), 30 * time.Second},
		{date(30 * time.Second), date(time.Hour), 0},
		{date(1000 * time.Hour), date(0), 5 * time.Minute},
		{date(30 * time.Second), "yesterday", 30 * time.Second},
	} {
		for _, status := range []int{429, 503, 403} {
			e := refreshError(t, respond(status, "", "Retry-After", tc.value, "Date", tc.date))
			assert.Equal(t, tc.want, e.RetryAfter, "%q at %q", tc.value, tc.date)
		}
	}
}

func TestDeviceDeleted(t *testing.T) {
	assert.True(t, ags.DeviceDeleted(refreshError(t, respond(403, `{"errorCode":20003}`))))
	assert.True(t, ags.DeviceDeleted(refreshError(t, respond(403, `{"errorCode":20006}`))))
	assert.True(t, ags.DeviceDeleted(refreshError(t, respond(403, `{"errorCode":"N1016"}`))))
	assert.True(t, ags.DeviceDeleted(refreshError(t, respond(403, `{"code":"DEVICE_DELETED"}`))))
	assert.False(t, ags.DeviceDeleted(refreshError(t, respond(403, `{"errorCode":20020}`))))
	assert.False(t, ags.DeviceDeleted(refreshError(t, respond(401, `{"errorCode":20003}`))))
	assert.False(t, ags.DeviceDeleted(io.EOF))
}
