package agstest

import (
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// guard refuses the requests that a web page of another site has its browser send.
func guard(hosts []string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if reason := foreign(r, hosts); reason != "" {
			writeJSON(w, http.StatusForbidden, errorBody{reason})
			return
		}
		next.ServeHTTP(w, r)
	})
}

// foreign returns why a request is refused, or nothing. A name that resolves to a loopback
// address is no proof that its owner is on this machine, so the Host must be one that no
// other can own. A page of the same host and port has the Origin that the Host says.
func foreign(r *http.Request, hosts []string) string {
	host := hostOf(r.Host)
	if !isLoopback(host) && !slices.ContainsFunc(hosts, func(h string) bool { return strings.EqualFold(h, host) }) {
		return fmt.Sprintf("the Host %q is not one of this server", r.Host)
	}
	if origin := r.Header.Get("Origin"); origin != "" {
		u, err := url.Parse(origin)
		if err != nil || !strings.EqualFold(u.Host, r.Host) {
			return "the Origin is not this server"
		}
	}
	if site := r.Header.Get("Sec-Fetch-Site"); site == "cross-site" || site == "same-site" {
		return "the request comes from another site"
	}
	return ""
}

// hostOf returns the host of a host with or without a port, in lower case and without the
// brackets of an IPv6 address.
func hostOf(hostport string) string {
	host, _, err := net.SplitHostPort(hostport)
	if err != nil {
		host = strings.TrimSuffix(strings.TrimPrefix(hostport, "["), "]")
	}
	return strings.ToLower(host)
}
