package proxy

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strings"

	"github.com/agsauth/agsauth/cmd/agsauth/internal/reachable"
)

// hostEntry is an entry of AllowHosts: a name in lower case, and a port or "".
type hostEntry struct{ name, port string }

func parseHosts(entries []string) ([]hostEntry, error) {
	hosts := make([]hostEntry, 0, len(entries))
	for _, entry := range entries {
		name, port := splitHost(entry)
		if name == "" || strings.ContainsAny(entry, "/@*? ") {
			return nil, fmt.Errorf("proxy: %q is not a host name: name it without a scheme, as in app.example.com or app.example.com:8080", entry)
		}
		hosts = append(hosts, hostEntry{name, port})
	}
	return hosts, nil
}

// parseOrigins returns the set of the origins, in lower case.
func parseOrigins(entries []string) (map[string]bool, error) {
	origins := make(map[string]bool, len(entries))
	for _, entry := range entries {
		u, err := url.Parse(entry)
		if err != nil || u.Host == "" || lowerASCII(u.Scheme+"://"+u.Host) != lowerASCII(entry) {
			return nil, fmt.Errorf("proxy: %q is not an origin: it must be a scheme and a host, as in https://app.example.com", entry)
		}
		origins[lowerASCII(entry)] = true
	}
	return origins, nil
}

// allowsHost reports whether the host of a request names this proxy. A page whose name
// resolves to this machine (DNS rebinding) sends that name. The port does not matter,
// because it may be mapped on the way. A Unix socket has no name, and no browser can
// connect to it.
func (p *Proxy) allowsHost(local net.Addr, host string) bool {
	if _, isUnix := local.(*net.UnixAddr); isUnix {
		return true
	}
	name, port := splitHost(host)
	if name == "" {
		return false
	}
	for _, entry := range p.hosts {
		if entry.name == name && (entry.port == "" || entry.port == port) {
			return true
		}
	}
	tcp, _ := local.(*net.TCPAddr)
	if tcp == nil || tcp.IP.IsLoopback() {
		return reachable.IsLoopback(name)
	}
	addr, err := netip.ParseAddr(name)
	return err == nil && addr.Unmap() == tcp.AddrPort().Addr().Unmap()
}

// splitHost splits the host of a request into a name, in lower case and without a trailing
// dot, and a port.
func splitHost(host string) (name, port string) {
	u := url.URL{Host: host}
	return strings.TrimSuffix(lowerASCII(u.Hostname()), "."), u.Port()
}

// lowerASCII is [strings.ToLower] for ASCII letters only: no other letter may become one of
// these.
func lowerASCII(s string) string {
	for i := range len(s) {
		if 'A' <= s[i] && s[i] <= 'Z' {
			return strings.Map(func(r rune) rune {
				if 'A' <= r && r <= 'Z' {
					return r + ('a' - 'A')
				}
				return r
			}, s)
		}
	}
	return s
}
