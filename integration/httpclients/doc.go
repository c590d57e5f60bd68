// Package httpclients checks the Source inside HTTP clients that wrap net/http's: clients
// with retries, a generated client, a proxy and a cache. The generated client is that of
// package notes, which oapi-codegen made.
package httpclients
