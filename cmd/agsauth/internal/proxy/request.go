package proxy

import (
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
)

// rewrite makes the request for the upstream. The fields that concern only the connection
// have been removed before, so that a client cannot remove ours by naming them in its
// Connection field. The transport sets the token after rewrite.
func (p *Proxy) rewrite(pr *httputil.ProxyRequest) {
	out := pr.Out
	setTarget(out.URL, p.cfg.Upstream)
	out.URL.RawQuery = pr.In.URL.RawQuery // also what net/url cannot parse
	out.Host = ""
	cleanFields(out.Header)
	if p.cfg.Forwarded {
		pr.SetXForwarded()
	}
	x, _ := pr.In.Context().Value(exchangeKey{}).(*exchange)
	if x == nil {
		return
	}
	shareTrailers(pr)
	x.keepBody(out)
}

// setTarget puts the upstream's base path before the path of a URL, in the encoding that
// the client chose.
func setTarget(u, upstream *url.URL) {
	base, rawBase := strings.TrimSuffix(upstream.Path, "/"), strings.TrimSuffix(upstream.EscapedPath(), "/")
	raw := rawBase + u.EscapedPath()
	u.Scheme, u.Host = upstream.Scheme, upstream.Host
	u.Path, u.RawPath = base+u.Path, raw
}

// cleanFields removes what a client must not send on: its own credentials, what only a
// trusted proxy may say, and what overrides the path on some servers. Servers that take an
// underscore for a hyphen see the same fields.
func cleanFields(header http.Header) {
	for name := range header {
		if isWithheld(name) {
			delete(header, name)
		}
	}
	// A switch to cleartext HTTP/2 would pass requests that nobody has judged.
	if strings.Contains(lowerASCII(header.Get("Upgrade")), "h2c") {
		delete(header, "Upgrade")
		delete(header, "Connection")
		delete(header, "Http2-Settings")
	}
}

func isWithheld(name string) bool {
	if strings.Contains(name, "_") {
		name = http.CanonicalHeaderKey(strings.ReplaceAll(name, "_", "-"))
	}
	switch name {
	case "Authorization", "Proxy-Authorization", KeyHeader, "Forwarded", "X-Real-Ip", "X-Original-Url", "X-Rewrite-Url":
		return true
	default:
		return strings.HasPrefix(name, "X-Forwarded-")
	}
}

// shareTrailers announces the trailers of a request to the upstream, and copies their
// values when the body has ended. Those that a client must not send as a field are left out.
func shareTrailers(pr *httputil.ProxyRequest) {
	if len(pr.In.Trailer) == 0 || pr.Out.Body == nil {
		return
	}
	announced := make(http.Header, len(pr.In.Trailer))
	for name := range pr.In.Trailer {
		if !isWithheld(name) {
			announced[name] = nil
		}
	}
	pr.Out.Trailer = announced
	pr.Out.Body = &trailerBody{ReadCloser: pr.Out.Body, in: pr.In, out: announced}
}
