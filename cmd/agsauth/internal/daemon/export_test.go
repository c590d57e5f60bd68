package daemon

import "github.com/agsauth/agsauth/tokensource"

// NotReady, NeedsPerson and StatusText are what a status is told as.
func NotReady(s tokensource.Status) string { return notReady(s, "agsauth login") }

func NeedsPerson(s tokensource.Status, signsOn bool) string {
	return needsPerson(s, signsOn, "agsauth login --profile b")
}

func StatusText(s tokensource.Status) string { return statusText(s, "agsauth login") }
