// Package tokenformat renders an access token for other programs: for the command
// "token", and for the files that the daemon keeps up to date.
//
// All forms are without a final newline: a program that reads a file as it is would send
// the newline with the token. A command that prints a form adds one. No form has the
// refresh token.
package tokenformat

import (
	"bytes"
	"encoding/json"
	"strings"
	"time"

	"golang.org/x/oauth2"
)

// EnvoySecretName is the name of the secret in [EnvoySDS]. Envoy looks for it by the name
// in its configuration, which must be the same.
const EnvoySecretName = "agsauth"

// Format renders a token.
type Format func(t *oauth2.Token) []byte

// Lookup returns the format of a name: raw, header, json, curl or envoy-sds.
func Lookup(name string) (f Format, ok bool) {
	switch name {
	case "raw":
		return Raw, true
	case "header":
		return Header, true
	case "json":
		return JSON, true
	case "curl":
		return CurlConfig, true
	case "envoy-sds":
		return EnvoySDS, true
	}
	return nil, false
}

// Raw returns the access token itself.
func Raw(t *oauth2.Token) []byte {
	return []byte(t.AccessToken)
}

// Header returns the line of a request that carries the token.
func Header(t *oauth2.Token) []byte {
	return []byte("Authorization: " + credentials(t))
}

// credentials returns the value of the header Authorization. The type is "Bearer" in this
// spelling, which some servers insist on.
func credentials(t *oauth2.Token) string {
	return t.Type() + " " + t.AccessToken
}

// JSON returns an object with access_token, token_type and, unless the expiry is unknown,
// expires_at, in RFC 3339 and UTC, and expires_at_epoch, in seconds.
func JSON(t *oauth2.Token) []byte {
	var fields struct {
		AccessToken    string `json:"access_token"`
		TokenType      string `json:"token_type"`
		ExpiresAt      string `json:"expires_at,omitempty"`
		ExpiresAtEpoch int64  `json:"expires_at_epoch,omitempty"`
	}
	fields.AccessToken, fields.TokenType = t.AccessToken, t.Type()
	if !t.Expiry.IsZero() {
		fields.ExpiresAt, fields.ExpiresAtEpoch = t.Expiry.UTC().Format(time.RFC3339), t.Expiry.Unix()
	}
	return encode(fields)
}

// CurlConfig returns a configuration for "curl --config", or -K, that adds the header. Curl
// reads it from standard input with "-K -", so that the token is in no list of arguments.
func CurlConfig(t *oauth2.Token) []byte {
	quoted := strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`, "\r", `\r`, "\t", `\t`, "\v", `\v`)
	return []byte(`header = "` + quoted.Replace(string(Header(t))) + `"`)
}

// EnvoySDS returns a generic secret for Envoy's filter credential_injector, as Envoy reads
// it from a file: the value of the header Authorization, so without a header_value_prefix
// in Envoy's configuration. The secret of a nil token is empty. Envoy takes that for no
// credential, and allow_request_without_credential decides about the request.
func EnvoySDS(t *oauth2.Token) []byte {
	type source struct {
		InlineString string `json:"inline_string"`
	}
	type generic struct {
		Secret source `json:"secret"`
	}
	type secret struct {
		Type    string  `json:"@type"`
		Name    string  `json:"name"`
		Generic generic `json:"generic_secret"`
	}
	type discovery struct {
		Resources []secret `json:"resources"`
	}
	s := secret{Type: "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret", Name: EnvoySecretName}
	if t != nil {
		s.Generic.Secret.InlineString = credentials(t)
	}
	return encode(discovery{Resources: []secret{s}})
}

// encode returns the JSON of a struct of strings and numbers, which cannot fail.
func encode(v any) []byte {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(v)
	return bytes.TrimSuffix(buf.Bytes(), []byte("\n"))
}
