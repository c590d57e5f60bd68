package transport

import (
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
)

// maxRedirects is how many redirects are followed back to the caller's request.
// Clients follow far fewer; the limit ends a cycle.
const maxRedirects = 100

// mayCarryToken reports whether a token may be sent with req. The error is set if
// only an insecure scheme prevents it.
func (t *Transport) mayCarryToken(req *http.Request) (bool, error) {
	switch {
	case len(t.AllowHosts) > 0 && !t.isAllowed(req):
		return false, nil
	case req.Response != nil:
		return t.mayFollowRedirects(req), nil
	case !t.isSecure(req.URL):
		return false, fmt.Errorf("transport: will not send a token to %s://%s: use https, or set AllowInsecure",
			req.URL.Scheme, req.URL.Host)
	default:
		return true, nil
	}
}

// mayFollowRedirects reports whether the token may follow the redirects that led to
// req. A server that redirects chooses the URL that is requested with our token, so
// every request on the way must be secure and to an allowed host or the origin of
// the first one. Nor does the token follow redirects from HTTPS to plain HTTP, or
// of a request with the caller's Authorization, which net/http removes when the
// host changes.
func (t *Transport) mayFollowRedirects(req *http.Request) bool {
	first := originalRequest(req)
	if first == nil {
		return false
	}
	for r := req; ; r = r.Response.Request {
		switch {
		case !isSameOrigin(r, first) && !t.isAllowed(r),
			!t.isSecure(r.URL),
			hasField(r.Header, authorization),
			req.URL.Scheme != "https" && r.URL.Scheme == "https":
			return false
		case r == first:
			return true
		}
	}
}

// originalRequest returns the caller's request that redirects turned into req, or
// nil if it is unknown.
func originalRequest(req *http.Request) *http.Request {
	for range maxRedirects {
		if req.Response == nil {
			return req
		}
		req = req.Response.Request
		if req == nil || req.URL == nil {
			return nil
		}
	}
	return nil
}

// isSameOrigin reports whether two requests have the same origin, by their URLs and
// by their Host fields.
func isSameOrigin(a, b *http.Request) bool {
	return sameOrigin(a.URL, b.URL) && sameOrigin(hostURL(a), hostURL(b))
}

// isAllowed reports whether AllowHosts has the host of the URL and that of the Host
// field, which a reverse proxy passes on and a server goes by.
func (t *Transport) isAllowed(req *http.Request) bool {
	return t.hasEntryFor(req.URL) && (req.Host == "" || t.hasEntryFor(hostURL(req)))
}

// hostURL returns the URL of req with the host of its Host field.
func hostURL(req *http.Request) *url.URL {
	if req.Host == "" {
		return req.URL
	}
	return &url.URL{Scheme: req.URL.Scheme, Host: req.Host}
}

// isSecure reports whether a token may be sent over the URL's scheme.
func (t *Transport) isSecure(u *url.URL) bool {
	return u.Scheme == "https" || t.AllowInsecure || isLoopback(u.Hostname())
}

// isLoopback reports whether host is this machine. It accepts exactly the hosts
// that net/http never sends to a proxy: "LOCALHOST" and "localhost." are sent to
// HTTP_PROXY in clear text.
func isLoopback(host string) bool {
	if host == "localhost" {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.IsLoopback()
}

// hasEntryFor reports whether AllowHosts has an entry for the URL's host.
func (t *Transport) hasEntryFor(u *url.URL) bool {
	for _, entry := range t.AllowHosts {
		host, port := splitEntry(entry)
		if (port == "" || port == portOf(u)) && matchesHost(u.Hostname(), host) {
			return true
		}
	}
	return false
}

// splitEntry splits an entry exactly as the host of a URL.
func splitEntry(entry string) (host, port string) {
	if strings.Count(entry, ":") > 1 && entry[0] != '[' {
		return entry, "" // an IPv6 address without the brackets
	}
	u := url.URL{Host: entry}
	return u.Hostname(), u.Port()
}

// matchesHost reports whether host is the entry, or below it if the entry begins
// with a dot. There are no names below an IP address.
func matchesHost(host, entry string) bool {
	if !strings.HasPrefix(entry, ".") {
		return entry != "" && sameHost(host, entry)
	}
	host, entry = strings.TrimSuffix(host, "."), strings.TrimSuffix(entry, ".")
	if len(entry) < 2 || len(host) <= len(entry) || !sameHost(host[len(host)-len(entry):], entry) {
		return false
	}
	_, err := netip.ParseAddr(host)
	return err != nil
}

func sameOrigin(a, b *url.URL) bool {
	return a.Scheme == b.Scheme && portOf(a) == portOf(b) && sameHost(a.Hostname(), b.Hostname())
}

func portOf(u *url.URL) string {
	port := u.Port()
	switch {
	case port != "":
		return port
	case u.Scheme == "https":
		return "443"
	case u.Scheme == "http":
		return "80"
	default:
		return ""
	}
}

// sameHost compares two hosts without regard to a trailing dot and the case of
// ASCII letters. strings.EqualFold would also match non-ASCII letters such as the
// Kelvin sign.
func sameHost(a, b string) bool {
	a, b = strings.TrimSuffix(a, "."), strings.TrimSuffix(b, ".")
	if len(a) != len(b) {
		return false
	}
	for i := range len(a) {
		if lowerASCII(a[i]) != lowerASCII(b[i]) {
			return false
		}
	}
	return true
}

func lowerASCII(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + ('a' - 'A')
	}
	return c
}
