//go:build !race

package proxy_test

// largeBody is the length of a large body.
const largeBody = 1 << 30
