package daemon

import "github.com/agsauth/agsauth/tokensource"

// NotReady and StatusText are what a status is told as.
func NotReady(s tokensource.Status) string   { return notReady(s) }
func StatusText(s tokensource.Status) string { return statusText(s) }
