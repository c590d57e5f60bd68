package ags

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strings"
)

// Paths are the paths of the calls, relative to [Config.BaseURL]. An empty one
// means its default, which is given here for the dialect [AGS]. See [Dialect] for
// those of the others.
type Paths struct {
	Discovery              string // /ags/servicediscovery
	SignOn                 string // /ags/signOn
	SubsequentSignOn       string // /ags/subsequentSignOn
	SessionToken           string // /ags/getSessionToken
	SignOnWithSessionToken string // /ags/signOnWithSessionToken
	Refresh                string // /ags/refresh
	SignOut                string // /ags/signOut
}

// The paths of IAS.
const (
	iasV3RefreshPath = "/ias/v3/token/actions/refresh"
	iasV2GrantPath   = "/ias/v2/token"
)

// resolve returns p with every path replaced by its complete URL, and by nothing if it
// is empty and the dialect has no such call.
func (p Paths) resolve(base *url.URL, d Dialect) (Paths, error) {
	if d == IASv3 {
		p.Refresh = cmp.Or(p.Refresh, iasV3RefreshPath)
	}
	for _, call := range []struct {
		path       *string
		ags, iasV2 string // the defaults
	}{
		{&p.Discovery, "/ags/servicediscovery", ""},
		{&p.SignOn, "/ags/signOn", iasV2GrantPath},
		{&p.SubsequentSignOn, "/ags/subsequentSignOn", ""},
		{&p.SessionToken, "/ags/getSessionToken", ""},
		{&p.SignOnWithSessionToken, "/ags/signOnWithSessionToken", ""},
		{&p.Refresh, "/ags/refresh", iasV2GrantPath},
		{&p.SignOut, "/ags/signOut", ""},
	} {
		switch {
		case *call.path != "":
		case d != IASv2:
			*call.path = call.ags
		case call.iasV2 == "":
			continue
		default:
			*call.path = call.iasV2
		}
		u, err := url.Parse(*call.path)
		if err != nil || u.IsAbs() || u.Host != "" || strings.ContainsAny(*call.path, "?#") {
			return Paths{}, fmt.Errorf("ags: config: %q is not a path", *call.path)
		}
		*call.path = base.JoinPath(u.EscapedPath()).String()
	}
	return p, nil
}

// parseBaseURL parses [Config.BaseURL]. Its errors do not quote the URL, which may
// contain a password.
func parseBaseURL(raw string, allowInsecure bool) (*url.URL, error) {
	base, err := url.Parse(raw)
	switch {
	case err != nil || base.Hostname() == "" || !isURL(base.String()):
		return nil, errors.New("ags: config: BaseURL is not a URL with a host")
	case base.User != nil:
		return nil, errors.New("ags: config: BaseURL has user information")
	case strings.ContainsAny(raw, "?#"):
		return nil, errors.New("ags: config: BaseURL has a query or a fragment")
	case base.Scheme == "https":
		return base, nil
	case base.Scheme != "http":
		return nil, errors.New("ags: config: the scheme of BaseURL is neither https nor http")
	case !allowInsecure && !isLoopback(base.Hostname()):
		return nil, errors.New("ags: config: BaseURL is plain http to another host, without AllowInsecure")
	default:
		return base, nil
	}
}

// isURL reports whether s is a valid URL. A parsed URL may print as an invalid one
// if its IPv6 zone contains bytes that need escaping.
func isURL(s string) bool {
	_, err := url.Parse(s)
	return err == nil
}

// isLoopback reports whether host is this machine. It accepts exactly the hosts
// that net/http never sends to a proxy: "LOCALHOST" and "localhost." are sent to
// HTTP_PROXY in clear text. It does not resolve names, whose addresses may change.
func isLoopback(host string) bool {
	if host == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback()
}
