package transport

import (
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
)

// maxHops is how far back a redirected request is followed. It is far more than
// any client follows forward, and ends a walk in a circle.
const maxHops = 100

// mayCarry reports whether a token may go where req does. The error is that of a
// request which should carry one, but names no place safe for it.
func (t *Transport) mayCarry(req *http.Request) (bool, error) {
	switch {
	case len(t.AllowHosts) > 0 && !t.isListed(req):
		return false, nil
	case req.Response != nil:
		return t.mayFollow(req), nil
	case !t.secure(req.URL):
		return false, fmt.Errorf("transport: no token goes to %s://%s: use https, or set AllowInsecure",
			req.URL.Scheme, req.URL.Host)
	default:
		return true, nil
	}
}

// mayFollow reports whether the token may go along the redirects that led to req.
// Every one has to be known, and safe from being written by somebody else: who
// redirects chooses what is asked for with our token. Nor does it go where a
// caller began with an Authorization of its own, which net/http drops on the way
// to another host, nor down from HTTPS.
func (t *Transport) mayFollow(req *http.Request) bool {
	first := firstOf(req)
	if first == nil {
		return false
	}
	plain := req.URL.Scheme != "https"
	for hop := req; ; hop = hop.Response.Request {
		switch {
		case !isSameOrigin(hop, first) && !t.isListed(hop),
			!t.secure(hop.URL),
			has(hop.Header, authorization),
			plain && hop.URL.Scheme == "https":
			return false
		case hop == first:
			return true
		}
	}
}

// isSameOrigin reports whether two requests go to one host, also by the name that their
// Host fields say.
func isSameOrigin(a, b *http.Request) bool {
	return sameOrigin(a.URL, b.URL) && sameOrigin(named(a), named(b))
}

// isListed reports whether AllowHosts has entries for the host of a request's URL, and
// for that of its Host field. A reverse proxy passes on the one that it was sent, and a
// server goes by it.
func (t *Transport) isListed(req *http.Request) bool {
	return t.listed(req.URL) && (req.Host == "" || t.listed(named(req)))
}

// named returns a request's URL as its Host field would have it.
func named(req *http.Request) *url.URL {
	if req.Host == "" {
		return req.URL
	}
	return &url.URL{Scheme: req.URL.Scheme, Host: req.Host}
}

// firstOf returns the request that the caller made and that redirects turned into
// req, or nil if that cannot be told.
func firstOf(req *http.Request) *http.Request {
	for range maxHops {
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

// secure reports whether a token may be sent over the URL's scheme.
func (t *Transport) secure(u *url.URL) bool {
	return u.Scheme == "https" || t.AllowInsecure || isLoopback(u.Hostname())
}

// isLoopback reports whether a host is this machine: exactly those that net/http never
// sends to a proxy. In particular "LOCALHOST" and "localhost." go to that of HTTP_PROXY.
func isLoopback(host string) bool {
	if host == "localhost" {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.IsLoopback()
}

// listed reports whether AllowHosts has an entry for the URL's host.
func (t *Transport) listed(u *url.URL) bool {
	for _, entry := range t.AllowHosts {
		host, port := splitEntry(entry)
		if (port == "" || port == portOf(u)) && matches(u.Hostname(), host) {
			return true
		}
	}
	return false
}

// splitEntry splits an entry as the host of a URL is split, so that the two
// cannot be read differently.
func splitEntry(entry string) (host, port string) {
	if strings.Count(entry, ":") > 1 && entry[0] != '[' {
		return entry, "" // an IPv6 address without the brackets
	}
	u := url.URL{Host: entry}
	return u.Hostname(), u.Port()
}

// matches reports whether host is the entry's, or below it if that begins with a
// dot. There is nothing below an IP address.
func matches(host, entry string) bool {
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

// sameHost compares two hosts without regard to the case of ASCII letters and to
// a trailing dot. Other letters have to be the same: Unicode has letters whose
// lower case is an ASCII one.
func sameHost(a, b string) bool {
	a, b = strings.TrimSuffix(a, "."), strings.TrimSuffix(b, ".")
	if len(a) != len(b) {
		return false
	}
	for i := range len(a) {
		if lower(a[i]) != lower(b[i]) {
			return false
		}
	}
	return true
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + ('a' - 'A')
	}
	return c
}
