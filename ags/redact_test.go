package ags_test

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/ags"
)

// What a gateway, a proxy or a plug-in behind them makes of what it quotes.
func TestRefusal_EncodedSecretsAreRemoved(t *testing.T) {
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
		"as it is, and in base64": password + " " + base64.StdEncoding.EncodeToString([]byte(password)),
	} {
		c, w := client(t, nil, reply(403, toJSON(map[string]string{"message": "bad password: " + echo + "."})))
		_, err := c.SignOn(t.Context(), ags.SignOnRequest{Parameters: []ags.Parameter{{Name: "password", Value: password}}})
		w.only()
		message := asError(t, err).Message
		assert.Contains(t, message, "[redacted]", name)
		for _, piece := range []string{"s3cret", "S3cret", "S3CRET", "czNjcm", "M2NyZX", "c2NyZX", strings.Trim(echo[:min(len(echo), 12)], " ")} {
			assert.NotContains(t, message, piece, name)
		}
	}
}

// A message that says nothing is kept as it is, whatever it looks like.
func TestRefusal_HonestMessagesAreKept(t *testing.T) {
	for _, message := range []string{
		"device limit reached", "50% of 100%", "a&b &amp; c", `C:\users\dave`, "deadbeefcafe0123", "c29tZXRoaW5nIGVsc2U=",
		"request f0a5c3d2-77aa-4c1b-9f1e-0a1b2c3d4e5f failed", "see https://example.com/help?a=1&b=2",
	} {
		c, w := client(t, nil, reply(403, toJSON(map[string]string{"message": message})))
		_, err := c.SignOn(t.Context(), ags.SignOnRequest{Parameters: []ags.Parameter{{Name: "password", Value: "hunter22"}, {Name: "pin", Value: "12"}}})
		w.only()
		assert.Equal(t, message, asError(t, err).Message)
	}
}
