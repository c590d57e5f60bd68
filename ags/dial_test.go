package ags_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/ags"
)

// net.Dialer divides its timeout evenly among a host's addresses.
func TestDial_TimeoutPerAddress(t *testing.T) {
	for _, tc := range []struct {
		address   string
		addresses []string
		lookup    error
		want      time.Duration
	}{
		{"gw.example.com:443", []string{"192.0.2.1"}, nil, 5 * time.Second},
		{"gw.example.com:443", []string{"192.0.2.1", "192.0.2.2", "2001:db8::1"}, nil, 15 * time.Second},
		{"gw.example.com:443", nil, nil, 5 * time.Second},
		{"gw.example.com:443", nil, errors.New("no such host"), 5 * time.Second},
		{"no port", []string{"192.0.2.1", "192.0.2.2"}, nil, 5 * time.Second},
	} {
		assert.Equal(t, tc.want, ags.DialTimeout(t.Context(), tc.address, tc.addresses, tc.lookup), "%+v", tc)
	}
}

// The gateway never accepts a connection, but its backlog takes it.
func TestDial_NeverAccepted(t *testing.T) {
	listener, err := net.ListenTCP("tcp4", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	require.NoError(t, err)
	t.Cleanup(func() { _ = listener.Close() })
	wantNeverAccepted(t, "https://"+listener.Addr().String())
}

// wantNeverAccepted asserts the error of a refresh at such an address.
func wantNeverAccepted(t *testing.T, base string) {
	t.Helper()
	rt := &http.Transport{TLSHandshakeTimeout: 10 * time.Second}
	t.Cleanup(rt.CloseIdleConnections)
	c, err := ags.New(ags.Config{
		BaseURL: base, AuthServiceID: "s", TenantID: "t", HTTPClient: &http.Client{Transport: rt}, Retry: ags.Retry{Max: -1},
	})
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	_, err = c.Refresh(ctx, testToken())
	require.ErrorIs(t, err, ags.ErrUnavailable)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	assert.True(t, asError(t, err).NotSent)
}
