package reachable_test

import (
	"net"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/agsauth/agsauth/cmd/agsauth/internal/reachable"
)

func TestHostPort(t *testing.T) {
	for want, a := range map[string]net.Addr{
		"127.0.0.1:1": &net.TCPAddr{IP: net.IPv4zero, Port: 1},
		"127.0.0.1:2": &net.TCPAddr{IP: net.IPv6unspecified, Port: 2},
		"192.0.2.1:3": &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 3},
		"[::1]:4":     &net.TCPAddr{IP: net.IPv6loopback, Port: 4},
		"a.sock":      &net.UnixAddr{Name: "a.sock", Net: "unix"},
	} {
		assert.Equal(t, want, reachable.HostPort(a))
	}
}

func TestIsLoopback(t *testing.T) {
	for host, want := range map[string]bool{
		"localhost": true, "127.0.0.1": true, "127.8.9.1": true, "::1": true,
		"LOCALHOST": false, "localhost.example": false, "127.0.0.1.example": false, "192.0.2.1": false, "0.0.0.0": false, "": false,
	} {
		assert.Equal(t, want, reachable.IsLoopback(host), host)
	}
}
