// Package streams checks the Source in connections that stay open: WebSockets,
// server-sent events, HTTP/2 and HTTP/3.
package streams
