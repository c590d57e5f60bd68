//go:build race

package proxy_test

// largeBody is the length of a large body. The race detector makes copying slow.
const largeBody = 64 << 20
