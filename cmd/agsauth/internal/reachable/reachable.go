// Package reachable says how a listener can be reached.
package reachable

import (
	"net"
	"net/netip"
	"strconv"
)

// IsLoopback reports whether the host of a URL or address is this machine.
func IsLoopback(host string) bool {
	if host == "localhost" {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.IsLoopback()
}

// HostPort returns the host and port by which a client on this machine reaches a listener:
// one that listens on all addresses is reached by that of the loopback.
func HostPort(a net.Addr) string {
	tcp, ok := a.(*net.TCPAddr)
	if !ok || !tcp.IP.IsUnspecified() {
		return a.String()
	}
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(tcp.Port))
}
