package proxy

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"net"
	"net/http"
	"strings"
)

// judge returns why a request is refused, or nil. The host comes first: nothing else that
// a web page on another name sends matters.
func (p *Proxy) judge(r *http.Request) *problem {
	local, _ := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	switch {
	case !p.allowsHost(local, r.Host):
		return &problem{
			Status: http.StatusForbidden, Code: "host_refused", Title: "The proxy does not answer for this host name.",
			Hint: "Use the address that the proxy has printed, or allow the name with --allow-host.",
		}
	case lowerASCII(r.Method) == "trace" || lowerASCII(r.Method) == "track":
		// The answer to a TRACE is the request, with our token. To some servers the case
		// of a method does not matter.
		return &problem{Status: http.StatusNotImplemented, Code: "method_refused", Title: "The proxy does not pass on TRACE."}
	case r.Method == http.MethodConnect || !strings.HasPrefix(r.RequestURI, "/"):
		return &problem{
			Status: http.StatusBadRequest, Code: "target_refused", Title: "This is a reverse proxy for one API: the target of a request must be a path.",
			Hint: "Use its address as the base URL of the API, and not as HTTP_PROXY.",
		}
	case !p.allowsSite(r):
		return &problem{
			Status: http.StatusForbidden, Code: "origin_refused", Title: "The proxy does not serve web pages of other sites.",
			Hint: "If the page is yours, allow its origin with --allow-origin.",
		}
	case isPreflight(r):
		return p.judgePreflight(r)
	case !p.hasKey(r):
		return &problem{
			Status: http.StatusForbidden, Code: "key_refused", Title: "The proxy requires its key in the header field " + KeyHeader + ".",
			Hint: "Send the key with which the proxy was started.",
		}
	case leavesBase(r.URL.Path):
		return &problem{
			Status: http.StatusBadRequest, Code: "path_refused", Title: `A path must not contain "..", in any encoding.`,
			Hint: "Send the path that the dots lead to.",
		}
	}
	return nil
}

// judgePreflight refuses a preflight, unless its origin is one of AllowOrigins.
func (p *Proxy) judgePreflight(r *http.Request) *problem {
	if p.allowedOrigin(r) != "" {
		return nil
	}
	return &problem{
		Status: http.StatusForbidden, Code: "preflight_refused", Title: "The proxy does not serve web pages of other sites.",
		Hint: "If the page is yours, allow its origin with --allow-origin.",
	}
}

func isPreflight(r *http.Request) bool {
	return r.Method == http.MethodOptions && len(r.Header["Access-Control-Request-Method"]) > 0
}

// allowedOrigin returns the origin of a request if it is one of AllowOrigins.
func (p *Proxy) allowedOrigin(r *http.Request) string {
	if values := r.Header["Origin"]; len(values) == 1 && p.origins[lowerASCII(values[0])] {
		return values[0]
	}
	return ""
}

// allowsSite reports whether a request comes from no browser, from a page that was served
// through the proxy itself, or from one of AllowOrigins. Sec-Fetch-Site is judged because
// the request for an image, for example, has no Origin.
func (p *Proxy) allowsSite(r *http.Request) bool {
	origins, sites := r.Header["Origin"], r.Header["Sec-Fetch-Site"]
	if len(origins) == 0 && len(sites) == 0 {
		return true
	}
	if p.allowedOrigin(r) != "" {
		return true
	}
	if len(origins) > 1 || len(origins) == 1 && !isOwnOrigin(origins[0], r) {
		return false
	}
	for _, site := range sites {
		if site != "same-origin" && site != "none" {
			return false
		}
	}
	return true
}

// isOwnOrigin reports whether origin is that of the proxy. The host of r has been judged.
func isOwnOrigin(origin string, r *http.Request) bool {
	scheme := "http://"
	if r.TLS != nil {
		scheme = "https://"
	}
	return r.Host != "" && lowerASCII(origin) == scheme+lowerASCII(r.Host)
}

// hasKey reports whether a request has the key, if there is one. It compares hashes, so
// that the time tells neither a prefix nor the length.
func (p *Proxy) hasKey(r *http.Request) bool {
	if p.cfg.Key.IsZero() {
		return true
	}
	values := r.Header[KeyHeader]
	if len(values) != 1 {
		return false
	}
	sum := sha256.Sum256([]byte(values[0]))
	return subtle.ConstantTimeCompare(sum[:], p.keySum[:]) == 1
}

// leavesBase reports whether a path, decoded once already, has a segment "..". Servers
// differ in how often they decode, in what else than a slash separates or ends segments,
// in whether a segment may have parameters after a semicolon, and in which bytes they
// ignore.
func leavesBase(path string) bool {
	const maxEncodings = 4
	for range maxEncodings {
		if hasParentSegment(path) {
			return true
		}
		decoded := unescape(path)
		if decoded == path {
			return false
		}
		path = decoded
	}
	return true
}

func hasParentSegment(path string) bool {
	path = withoutOddities(path)
	if !strings.Contains(path, "..") {
		return false
	}
	// A server that decodes again may take a question mark or a number sign for the end of
	// the path.
	for segment := range strings.FieldsFuncSeq(path, func(r rune) bool { return strings.ContainsRune(`/\?#`, r) }) {
		name, _, _ := strings.Cut(segment, ";")
		if strings.Trim(name, " ") == ".." {
			return true
		}
	}
	return false
}

// withoutOddities returns a path without control characters, which some servers ignore, and
// without the encodings of the dot, the slash and the backslash that UTF-8 forbids, which
// some servers understand.
func withoutOddities(path string) string {
	isOdd := func(c byte) bool { return c < ' ' || c == 0xc0 || c == 0xc1 }
	for i := range len(path) {
		if isOdd(path[i]) {
			overlong := strings.NewReplacer("\xc0\xae", ".", "\xc0\xaf", "/", "\xc1\x9c", `\`)
			return strings.Map(func(r rune) rune {
				if r < ' ' {
					return -1
				}
				return r
			}, overlong.Replace(path))
		}
	}
	return path
}

// unescape decodes the percent-encoded bytes of s, and leaves what is not an encoding.
func unescape(s string) string {
	if !strings.Contains(s, "%") {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) {
			if decoded, err := hex.DecodeString(s[i+1 : i+3]); err == nil {
				b.Write(decoded)
				i += 2
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}
