// Package oauth2clients checks the Source inside golang.org/x/oauth2 and net/http.
package oauth2clients
