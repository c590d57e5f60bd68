package ags

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strings"
)

// Paths are the paths of the calls, below [Config.BaseURL]. An empty one means
// the usual path.
type Paths struct {
	Discovery              string // /ags/servicediscovery
	SignOn                 string // /ags/signOn
	SubsequentSignOn       string // /ags/subsequentSignOn
	SessionToken           string // /ags/getSessionToken
	SignOnWithSessionToken string // /ags/signOnWithSessionToken
	Refresh                string // /ags/refresh
	SignOut                string // /ags/signOut
}

// resolve returns the URL of each call in the place of its path.
func (p Paths) resolve(base *url.URL) (Paths, error) {
	for _, call := range []struct {
		path  *string
		usual string
	}{
		{&p.Discovery, "/ags/servicediscovery"},
		{&p.SignOn, "/ags/signOn"},
		{&p.SubsequentSignOn, "/ags/subsequentSignOn"},
		{&p.SessionToken, "/ags/getSessionToken"},
		{&p.SignOnWithSessionToken, "/ags/signOnWithSessionToken"},
		{&p.Refresh, "/ags/refresh"},
		{&p.SignOut, "/ags/signOut"},
	} {
		if *call.path == "" {
			*call.path = call.usual
		}
		at, err := url.Parse(*call.path)
		if err != nil || at.IsAbs() || at.Host != "" || strings.ContainsAny(*call.path, "?#") {
			return Paths{}, fmt.Errorf("ags: config: %q is not a path", *call.path)
		}
		*call.path = base.JoinPath(at.EscapedPath()).String()
	}
	return p, nil
}

// parseBase reads [Config.BaseURL]. Its errors do not quote it: it may hold a
// password.
func parseBase(raw string, allowInsecure bool) (*url.URL, error) {
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
		return nil, errors.New("ags: config: BaseURL is neither https nor http")
	case !allowInsecure && !isLoopback(base.Hostname()):
		return nil, errors.New("ags: config: BaseURL is plain http to another host, without AllowInsecure")
	default:
		return base, nil
	}
}

// isURL reports whether what was read as a URL, and written again, can still be
// read: the zone of an address may have octets that are not written as they were.
func isURL(written string) bool {
	_, err := url.Parse(written)
	return err == nil
}

// isLoopback reports whether host is this machine, by its name or as a literal
// address: exactly those hosts that net/http never sends to a proxy. In particular
// "LOCALHOST" and "localhost." go to the proxy of HTTP_PROXY, in clear. No name is
// looked up: an answer could be another the next time.
func isLoopback(host string) bool {
	if host == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback()
}
