// Package reachable says how a listener can be reached.
package reachable

import (
	"net"
	"strconv"
)

// HostPort returns the host and port by which a client on this machine reaches a listener:
// one that listens on all addresses is reached by that of the loopback.
func HostPort(a net.Addr) string {
	tcp, ok := a.(*net.TCPAddr)
	if !ok || !tcp.IP.IsUnspecified() {
		return a.String()
	}
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(tcp.Port))
}
