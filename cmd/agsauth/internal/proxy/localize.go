package proxy

import (
	"net/http"
	"net/url"
	"strings"
)

// localize makes the cookies and the Location of a response valid for the proxy's client.
func (x *exchange) localize(header http.Header) {
	removeCookieDomains(header)
	location := header.Get("Location")
	if location == "" {
		return
	}
	requested := *x.in.URL
	setTarget(&requested, x.proxy.cfg.Upstream)
	self := url.URL{Scheme: "http", Host: x.in.Host}
	if x.in.TLS != nil {
		self.Scheme = "https"
	}
	header.Set("Location", localLocation(location, &requested, x.proxy.cfg.Upstream, &self))
}

// localLocation returns the location in a response to requested, as a client of the proxy
// must see it. One below the upstream's base path is below self; any other is foreign, and
// returned as it is, or in full if it is relative.
func localLocation(location string, requested, upstream, self *url.URL) string {
	parsed, err := url.Parse(location)
	if err != nil {
		return location
	}
	target := requested.ResolveReference(parsed)
	path, isBelow := cutBase(target.EscapedPath(), strings.TrimSuffix(upstream.EscapedPath(), "/"))
	switch {
	case !sameOrigin(target, upstream), !isBelow && parsed.IsAbs():
		return location
	case !isBelow:
		return target.String()
	}
	local := self.Scheme + "://" + self.Host + path
	if target.RawQuery != "" || target.ForceQuery {
		local += "?" + target.RawQuery
	}
	if target.Fragment != "" {
		local += "#" + target.EscapedFragment()
	}
	return local
}

// cutBase returns a path without the base path that it is below of.
func cutBase(path, base string) (rest string, ok bool) {
	if rest, ok = strings.CutPrefix(path, base); !ok || rest != "" && rest[0] != '/' {
		return "", false
	}
	if rest == "" {
		rest = "/"
	}
	return rest, true
}

func sameOrigin(a, b *url.URL) bool {
	return a.Scheme == b.Scheme && portOf(a) == portOf(b) && a.User == nil &&
		strings.TrimSuffix(lowerASCII(a.Hostname()), ".") == strings.TrimSuffix(lowerASCII(b.Hostname()), ".")
}

func portOf(u *url.URL) string {
	switch port := u.Port(); {
	case port != "":
		return port
	case u.Scheme == "https":
		return "443"
	default:
		return "80"
	}
}

// removeCookieDomains removes the attribute Domain of the cookies that are set, so that
// they belong to the host of the proxy.
func removeCookieDomains(header http.Header) {
	cookies := header["Set-Cookie"]
	for i, cookie := range cookies {
		cookies[i] = withoutDomain(cookie)
	}
}

func withoutDomain(cookie string) string {
	pair, attributes, _ := strings.Cut(cookie, ";")
	if !strings.Contains(lowerASCII(attributes), "domain") {
		return cookie
	}
	var b strings.Builder
	b.WriteString(pair)
	for attribute := range strings.SplitSeq(attributes, ";") {
		name, _, _ := strings.Cut(attribute, "=")
		if lowerASCII(strings.TrimSpace(name)) != "domain" {
			b.WriteString(";" + attribute)
		}
	}
	return b.String()
}
