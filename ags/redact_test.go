package ags_test

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/ags"
)

// redact returns the message of the error of a sign-on with these parameter values, to which
// the gateway responds with message.
func redact(t *testing.T, message string, values ...string) string {
	t.Helper()
	var r ags.SignOnRequest
	for _, value := range values {
		r.Parameters = append(r.Parameters, ags.Parameter{Name: "parameter", Value: value})
	}
	c, tr := newClient(t, nil, respond(403, toJSON(map[string]string{"message": message})))
	_, err := c.SignOn(t.Context(), r)
	tr.only()
	return asError(t, err).Message
}

// The encodings in which gateways and proxies quote a request.
func TestRedact_EncodedSecrets(t *testing.T) {
	const password = `s3cret "wörd"+<&>`
	inJSON := func(s string) string {
		data, err := json.Marshal(s)
		require.NoError(t, err)
		return strings.Trim(string(data), `"`)
	}
	inHTML := strings.NewReplacer(`"`, "&quot;", "<", "&lt;", "&", "&amp;", ">", "&gt;", "ö", "&ouml;")
	for name, echo := range map[string]string{
		"HTML, by name":           inHTML.Replace(password),
		"HTML, hexadecimal":       strings.NewReplacer(`"`, "&#x22;", "ö", "&#xF6;").Replace(password),
		"HTML, decimal":           strings.NewReplacer(`"`, "&#34;", "ö", "&#246;", "<", "&#60;").Replace(password),
		"encodeURIComponent":      strings.ReplaceAll(url.QueryEscape(password), "+", "%20"),
		"URL, twice":              url.QueryEscape(url.QueryEscape(password)),
		"JSON, escapes in upper":  `s3cret \"w\u00F6rd\"+\u003C&\u003E`,
		"JSON, twice":             inJSON(inJSON(password)),
		"JSON in a URL":           url.QueryEscape(inJSON(password)),
		"HTML in JSON":            inJSON(inHTML.Replace(password)),
		"base64":                  base64.StdEncoding.EncodeToString([]byte(password)),
		"base64, no padding":      base64.RawStdEncoding.EncodeToString([]byte(password)),
		"base64, URL":             base64.URLEncoding.EncodeToString([]byte(password)),
		"base64, Basic":           "Basic " + base64.StdEncoding.EncodeToString([]byte("dave:"+password)),
		"base64, one octet off":   base64.StdEncoding.EncodeToString([]byte("x" + password)),
		"base64, two octets off":  base64.StdEncoding.EncodeToString([]byte("xy" + password)),
		"base64 in a path":        "/a/" + base64.RawURLEncoding.EncodeToString([]byte(password)),
		"hexadecimal":             hex.EncodeToString([]byte(password)),
		"hexadecimal, upper case": strings.ToUpper(hex.EncodeToString([]byte(password))),
		"hexadecimal, in a word":  "0x" + hex.EncodeToString([]byte(password)),
		"upper case":              strings.ToUpper(password),
		"changed case":            `S3cret "Wörd"+<&>`,
		"verbatim and base64":     password + " " + base64.StdEncoding.EncodeToString([]byte(password)),
	} {
		message := redact(t, "bad password: "+echo+".", password)
		assert.Contains(t, message, "[redacted]", name)
		for _, piece := range []string{"s3cret", "S3cret", "S3CRET", "czNjcm", "M2NyZX", "c2NyZX", strings.Trim(echo[:min(len(echo), 12)], " ")} {
			assert.NotContains(t, message, piece, name)
		}
	}
}

func TestRedact_HarmlessMessagesAreKept(t *testing.T) {
	for _, message := range []string{
		"device limit reached", "50% of 100%", "a&b &amp; c", `C:\users\dave`, "deadbeefcafe0123", "c29tZXRoaW5nIGVsc2U=",
		"request f0a5c3d2-77aa-4c1b-9f1e-0a1b2c3d4e5f failed", "see https://example.com/help?a=1&b=2",
	} {
		assert.Equal(t, message, redact(t, message, "hunter22", "12"))
	}
}

func TestRedact_Forms(t *testing.T) {
	escapes := map[string]string{
		"verbatim":     passwordMark,
		"JSON":         `pa\"ss/wörd<&>+%mark`,
		"JSON, PHP":    `pa\"ss\/wörd<&>+%mark`,
		"JSON, Go":     `pa\"ss/wörd\u003c\u0026\u003e+%mark`,
		"query":        `pa%22ss%2Fw%C3%B6rd%3C%26%3E%2B%25mark`,
		"query, lower": `pa%22ss%2fw%c3%b6rd%3c%26%3e%2b%25mark`,
		"path":         `pa%22ss%2Fw%C3%B6rd%3C&%3E+%25mark`,
		"HTML":         `pa&#34;ss/wörd&lt;&amp;&gt;+%mark`,
		"ASCII":        `pa\"ss/w\u00f6rd<&>+%mark`,
		"control":      "pa\"ss/w\x00örd<&>\x1b+%mark",
		"Bearer":       "Bearer " + refreshMark,
		"bare":         refreshMark,
		"access":       accessMark,
	}
	for name, echo := range escapes {
		e := refreshError(t, respond(403, toJSON(map[string]any{"message": "before " + echo + " after " + echo})))
		want := "before [redacted] after [redacted]"
		if name == "Bearer" {
			want = "before Bearer [redacted] after Bearer [redacted]"
		}
		assert.Equal(t, want, e.Message, name)
	}
}

// Some servers write URL escapes in lower case.
func TestRedact_LowerCaseEscapes(t *testing.T) {
	for _, echo := range []string{"PASS%2FWORD%3F", "PASS%2fWORD%3f"} {
		assert.Equal(t, "wrong: [redacted]", redact(t, "wrong: "+echo, "PASS/WORD?"))
	}
}

func TestRedact_Pieces(t *testing.T) {
	token := jwt(`{"exp":1654877093,"jti":"4789023423714089478"}`)
	c, tr := newClient(t, nil, respond(403, toJSON(map[string]string{"message": "bad token " + token[:30] + "… of " + token[20:60]})))
	_, err := c.Refresh(t.Context(), &ags.Token{RefreshToken: ags.NewSecret(token)})
	tr.only()
	assert.Equal(t, "bad token [redacted]… of [redacted]", asError(t, err).Message)
}

func TestRedact_OverlappingSecrets(t *testing.T) {
	assert.Equal(t, "x [redacted] y", redact(t, "x abcdefghijkl y", "abcdefgh", "efghijkl", " ", ""))
}

// A replacement inside a word would reveal the secret.
func TestRedact_ShortSecretsAsWords(t *testing.T) {
	for message, want := range map[string]string{
		"wrong credentials":        "wrong credentials",
		"locale en is unknown":     "locale [redacted] is unknown",
		"language=en, en-GB, 'en'": "language=[redacted], [redacted]-GB, '[redacted]'",
		"entry 1en2":               "entry 1en2",
	} {
		assert.Equal(t, want, redact(t, message, "en"))
	}
}

func TestRedact_HeaderValues(t *testing.T) {
	c, tr := newClient(t, func(c *ags.Config) {
		c.Header = http.Header{"Token": {"discovery-token-1"}, "Authorization": {"Basic ZGF2ZTpv"}, "Nagra-Device-Type": {"STB"}}
	}, respond(403, `{"message":"token discovery-token-1, ZGF2ZTpv of an STB"}`),
		respond(403, `{"message":"`+userMark+`"}`))
	_, err := c.Discover(t.Context())
	assert.Equal(t, "token [redacted], [redacted] of an STB", asError(t, err).Message)
	_, err = c.SubsequentSignOn(t.Context(), ags.NewSecret(userMark), ags.SignOnRequest{})
	assert.Equal(t, "[redacted]", asError(t, err).Message)
	assert.Len(t, tr.requests, 2)
}

func TestRedact_SecretAtTheEndOfALongMessage(t *testing.T) {
	// The limit must not leave the beginning of a secret.
	for n := 8<<10 - 2*len(passwordMark); n <= 8<<10; n++ {
		e := refreshError(t, respond(403, toJSON(map[string]string{
			"message": strings.Repeat(" ", n-100) + strings.Repeat(".", 100) + passwordMark + strings.Repeat("!", 300),
		})))
		assert.NotContains(t, e.Message, passwordMark[:2])
		assert.LessOrEqual(t, utf8.RuneCountInString(e.Message), 200)
	}
}

// The end of a message of at most 8 KiB cannot be the beginning of a secret.
func TestRedact_LongestMessageIsKept(t *testing.T) {
	message := strings.Repeat(" ", 8<<10-len("limit")) + "limit"
	assert.Equal(t, "limit", refreshError(t, respond(403, toJSON(map[string]string{"message": message}))).Message)
	assert.Empty(t, refreshError(t, respond(403, toJSON(map[string]string{"message": message + "s"}))).Message)
}
