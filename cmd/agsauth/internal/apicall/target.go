// Package apicall makes one call of the API, in the manner of curl.
package apicall

import (
	"net/url"
	"strings"

	"github.com/agsauth/agsauth/cmd/agsauth/internal/exit"
)

// Target returns the URL of a call: a path below the URL of the API, or a URL of the same
// host. Other hosts are refused, because the token is not for them.
func Target(api *url.URL, arg string) (*url.URL, error) {
	if api == nil {
		return nil, exit.Usagef("no API is set; use --api URL, AGSAUTH_API, or the configuration file")
	}
	ref, err := url.Parse(arg)
	if err != nil {
		return nil, exit.Usagef("%q is neither a path nor a URL", arg)
	}
	if ref.Scheme == "" && ref.Host == "" {
		target := api.JoinPath(ref.EscapedPath())
		target.RawQuery = ref.RawQuery
		return target, nil
	}
	if !SameHost(api, ref) || ref.User != nil {
		return nil, exit.Usagef("the token is for %s://%s, and is not sent to another host; use a path, or another --profile", api.Scheme, api.Host)
	}
	return ref, nil
}

// SameHost reports whether two URLs have the same scheme, host and port.
func SameHost(a, b *url.URL) bool {
	return strings.EqualFold(a.Scheme, b.Scheme) && strings.EqualFold(a.Hostname(), b.Hostname()) && port(a) == port(b)
}

func port(u *url.URL) string {
	switch {
	case u.Port() != "":
		return u.Port()
	case strings.EqualFold(u.Scheme, "https"):
		return "443"
	}
	return "80"
}
