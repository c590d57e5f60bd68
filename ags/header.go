package ags

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
)

// minSubstringSecret is the length from which a secret is also redacted inside
// words, and from which a configured header value counts as a secret. Shorter
// values, such as a language or a device type, occur in words by chance.
const minSubstringSecret = 8

// requestHeader returns the header fields that every request has.
func requestHeader(cfg Config) (http.Header, error) {
	if cfg.TenantID == "" {
		return nil, errors.New("ags: config: no TenantID")
	}
	if !isFieldValue(cfg.TenantID) || !isFieldValue(cfg.AuthServiceID) {
		return nil, errors.New("ags: config: TenantID or AuthServiceID is not a valid header value")
	}
	h := make(http.Header, len(cfg.Header)+2)
	for name, values := range cfg.Header {
		if !isFieldName(name) || isControlledByHTTP(name) {
			return nil, fmt.Errorf("ags: config: Header has %q, which cannot be set", name)
		}
		for _, v := range values {
			if !isFieldValue(v) {
				return nil, fmt.Errorf("ags: config: Header has an invalid value for %q", name)
			}
			h.Add(name, v)
		}
	}
	h.Set("Nv-Tenant-Id", cfg.TenantID)
	h.Set("Accept", mediaTypeJSON)
	return h, nil
}

// secretValues returns the values of a configured header that must not appear in
// errors: whole values and their words, because a server may quote a credential
// without its scheme.
func secretValues(h http.Header) []string {
	var secrets []string
	for _, values := range h {
		for _, v := range values {
			for _, s := range append(strings.Fields(v), v) {
				if len(s) >= minSubstringSecret {
					secrets = append(secrets, s)
				}
			}
		}
	}
	return secrets
}

// isControlledByHTTP reports whether net/http sets the header field itself. If a
// caller sets it, it is dropped silently or makes the response unreadable.
func isControlledByHTTP(name string) bool {
	switch http.CanonicalHeaderKey(name) {
	case "Host", "Connection", "Content-Length", "Transfer-Encoding", "Trailer", "Te", "Upgrade",
		"Content-Encoding", "Accept-Encoding", "Expect", "Keep-Alive", "Proxy-Connection":
		return true
	default:
		return false
	}
}

// isFieldName reports whether name is a token of RFC 9110, section 5.6.2.
func isFieldName(name string) bool {
	for _, r := range name {
		if !isTokenRune(r) {
			return false
		}
	}
	return name != ""
}

func isTokenRune(r rune) bool {
	switch {
	case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9':
		return true
	default:
		return strings.ContainsRune("!#$%&'*+-.^_`|~", r)
	}
}

// isFieldValue reports whether v has no control characters but tabs, and so can be
// the value of a header field (RFC 9110, section 5.5).
func isFieldValue(v string) bool {
	for i := range len(v) {
		if v[i] < ' ' && v[i] != '\t' || v[i] == 0x7f {
			return false
		}
	}
	return true
}

// isCredential reports whether v is one word of visible ASCII characters, and so
// can be sent in a header field unchanged.
func isCredential(v string) bool {
	for i := range len(v) {
		if v[i] <= ' ' || v[i] >= 0x7f {
			return false
		}
	}
	return v != ""
}
