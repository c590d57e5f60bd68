package ags_test

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/agsauth/agsauth/ags"
)

// The net package divides a dialler's timeout evenly among a host's addresses, so one
// that does not answer costs its share and no more.
func TestDial_EachAddressHasFiveSeconds(t *testing.T) {
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
