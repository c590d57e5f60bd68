// Package httpclients checks the Source inside HTTP clients that wrap net/http's: clients
// with retries, a generated client, a proxy and a cache.
package httpclients
